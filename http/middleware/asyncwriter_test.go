package middleware

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// blocked is a writer whose first Write waits until it is released.
type blocked struct {
	bytes.Buffer
	entered, release chan struct{}
	once             sync.Once
}

func newBlocked() *blocked {
	return &blocked{entered: make(chan struct{}), release: make(chan struct{})}
}

func (b *blocked) Write(p []byte) (int, error) {
	b.once.Do(func() {
		close(b.entered)
		<-b.release
	})
	return b.Buffer.Write(p)
}

func writeAll(t *testing.T, w io.Writer, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := io.WriteString(w, line); n != len(line) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", line, n, err)
		}
	}
}

func TestAsyncWriterKeepsOrderAndFlushesOnClose(t *testing.T) {
	var out bytes.Buffer
	a := NewAsyncWriter(&out, 1<<20, nil)
	var want strings.Builder
	for i := range 1000 {
		writeAll(t, a, fmt.Sprintf("line %d\n", i))
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if err := a.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if out.String() != want.String() {
		t.Errorf("got %d bytes, want %d in order", out.Len(), want.Len())
	}
}

func TestAsyncWriterWritesWithoutClose(t *testing.T) {
	written := make(chan string, 1)
	a := NewAsyncWriter(writerFunc(func(p []byte) (int, error) { written <- string(p); return len(p), nil }), 100, nil)
	defer a.Close(context.Background())
	writeAll(t, a, "") // an empty Write must not take the wake-up of the next
	writeAll(t, a, "one\n")
	if got := <-written; got != "one\n" {
		t.Errorf("got %q", got)
	}
}

// A writer that blocks must not block those who log, nor hold their lines
// without a bound.
func TestAsyncWriterDropsWhatDoesNotFit(t *testing.T) {
	out := newBlocked()
	a := NewAsyncWriter(out, 10, func(lost int) string { return fmt.Sprintf("(%d lost)\n", lost) })
	writeAll(t, a, "first\n")
	<-out.entered
	writeAll(t, a, "second\n", "third\n", "4\n", "fifth\n")
	close(out.release)
	if err := a.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "first\nsecond\n4\n(2 lost)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAsyncWriterCloseGivesUpOnABlockedWriter(t *testing.T) {
	out := newBlocked()
	a := NewAsyncWriter(out, 10, nil)
	writeAll(t, a, "first\n")
	<-out.entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v, want context.Canceled", err)
	}
	if _, err := a.Write([]byte("late")); !errors.Is(err, ErrWriterClosed) {
		t.Errorf("Write after Close = %v, want ErrWriterClosed", err)
	}
	close(out.release)
	if err := a.Close(context.Background()); err != nil {
		t.Errorf("second Close = %v", err)
	}
}

func TestAsyncWriterReportsTheWritersError(t *testing.T) {
	full := errors.New("disk full")
	a := NewAsyncWriter(writerFunc(func([]byte) (int, error) { return 0, full }), 100, nil)
	writeAll(t, a, "x")
	if err := a.Close(context.Background()); !errors.Is(err, full) {
		t.Errorf("Close = %v, want %v", err, full)
	}
}

func BenchmarkAsyncWriter(b *testing.B) {
	a := NewAsyncWriter(io.Discard, 1<<20, nil)
	defer a.Close(context.Background())
	line := []byte("2026-01-31 15:04:05.123 192.0.2.7:53412 GET /index.html 200 5120B 412µs\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = a.Write(line)
	}
}
