package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestOutputQueueDoesNotGrow: a queue behind a peer that is always a little slower
// than the producer, and so never empty, keeps places for what waits, not for what
// was ever sent.
func TestOutputQueueDoesNotGrow(t *testing.T) {
	const pieceSize, backlog, rounds = 20 << 10, 50, 5000
	near, far := socketPair(t)
	q, iov := takeOutputQueue(), new(ioVectors)
	defer q.discard()
	piece, room := make([]byte, pieceSize), make([]byte, pieceSize)
	waiting := func() int { return len(q.segments) - q.head }
	largest := 0
	for round := range rounds {
		for waiting() < backlog {
			next := takeOutputQueue() // as a connection's takeOutput does
			next.appendBytes(piece)
			q.appendQueue(next)
		}
		if _, _, err := q.writeTo(near, iov); err != unix.EAGAIN {
			t.Fatalf("round %d: %v, want EAGAIN", round, err)
		}
		if _, err := unix.Read(far, room); err != nil {
			t.Fatal(err)
		}
		largest = max(largest, len(q.segments))
	}
	if largest > 4*backlog {
		t.Errorf("%d places for %d segments", largest, backlog)
	}
	for _, s := range q.segments[len(q.segments):cap(q.segments)] {
		if s.store != nil || s.mem != nil {
			t.Fatal("a place that is not in use holds memory")
		}
	}
}
