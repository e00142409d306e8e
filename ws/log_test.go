package ws

import "log/slog"

// newLog returns a logger and the lines that it was given.
func newLog() (*slog.Logger, chan string) {
	lines := make(chan string, 100)
	return slog.New(slog.NewTextHandler(lineWriter(lines), nil)), lines
}

type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
