package middleware

import (
	"io"
	"log/slog"
	"sync"
)

// lineOutput is where a LineHandler or a CombinedHandler, and all that were derived from it, write. Any goroutine may call its
// methods.
type lineOutput struct {
	level slog.Leveler
	mu    sync.Mutex
	w     io.Writer
	buf   []byte
}

func newLineOutput(w io.Writer, level slog.Leveler) *lineOutput {
	if level == nil {
		level = slog.LevelInfo
	}
	return &lineOutput{w: w, level: level}
}

func (o *lineOutput) enabled(level slog.Level) bool { return level >= o.level.Level() }

// write writes what line appends, in one Write that no other overlaps.
func (o *lineOutput) write(line func(b []byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := line(o.buf[:0])
	_, err := o.w.Write(b)
	// The storage serves the next record. One with a stack in it must not stay behind as capacity.
	if cap(b) <= 16<<10 {
		o.buf = b
	}
	return err
}
