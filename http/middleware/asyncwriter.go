package middleware

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ErrWriterClosed is returned by Write after Close.
var ErrWriterClosed = errors.New("middleware: log writer is closed")

// gatherTime is how long the writing goroutine lets lines collect before it
// writes them together: too short for a person to notice, and at most a hundred
// wake-ups a second under load.
const gatherTime = 10 * time.Millisecond

// AsyncWriter stands between a log and a writer that may block: a pipe that
// nobody reads, a terminal that was paused. Handlers that run on an event loop
// must never wait for one of those.
//
// Write copies and returns at once; one goroutine, owned by the AsyncWriter,
// writes in the same order. What waits is bounded: a Write that does not fit is
// dropped whole and counted. Any goroutine may call its methods.
type AsyncWriter struct {
	w     io.Writer
	limit int
	note  func(lost int) string

	mu      sync.Mutex
	pending []byte
	lost    int
	closed  bool
	err     error

	wake    chan struct{} // holds one token while there is something to write
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the goroutine has ended
}

// NewAsyncWriter returns a writer to w that holds at most limit bytes. After
// Writes were dropped, note is asked for a text that tells so, which is written
// before the next bytes; it may be nil. The caller must Close the writer.
func NewAsyncWriter(w io.Writer, limit int, note func(lost int) string) *AsyncWriter {
	a := &AsyncWriter{
		w: w, limit: limit, note: note,
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go a.run()
	return a
}

// Write keeps a copy of p for the writing goroutine. It fails only after Close;
// an error of the underlying writer is reported by Close.
func (a *AsyncWriter) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return 0, ErrWriterClosed
	}
	if len(a.pending)+len(p) > a.limit {
		a.lost++
		return len(p), nil
	}
	if len(a.pending) == 0 && len(p) > 0 {
		a.wake <- struct{}{}
	}
	a.pending = append(a.pending, p...)
	return len(p), nil
}

// Close writes what is pending and ends the goroutine. It returns the first
// error of the underlying writer, or ctx's error when that writer still blocks
// at its end; then the goroutine ends with the writer's next return.
func (a *AsyncWriter) Close(ctx context.Context) error {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.closing)
	}
	a.mu.Unlock()
	select {
	case <-a.done:
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *AsyncWriter) run() {
	defer close(a.done)
	var spare []byte
	gather := time.NewTimer(gatherTime)
	defer gather.Stop()
	for {
		select {
		case <-a.wake:
			gather.Reset(gatherTime)
			select {
			case <-gather.C:
			case <-a.closing:
			}
			spare = a.flush(spare)
		case <-a.closing:
			a.flush(spare)
			return
		}
	}
}

// flush writes what is pending and returns its storage, for the next swap.
func (a *AsyncWriter) flush(spare []byte) []byte {
	a.mu.Lock()
	batch, lost := a.pending, a.lost
	a.pending, a.lost = spare[:0], 0
	a.mu.Unlock()

	// Lines are lost only after those of this batch came in.
	if lost > 0 && a.note != nil {
		batch = append(batch, a.note(lost)...)
	}
	if len(batch) == 0 {
		return batch
	}
	if _, err := a.w.Write(batch); err != nil {
		a.mu.Lock()
		if a.err == nil {
			a.err = err
		}
		a.mu.Unlock()
	}
	return batch
}
