package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// readFar reads n bytes from a non-blocking socket.
func readFar(t *testing.T, fd, n int) {
	t.Helper()
	p := make([]byte, 64<<10)
	for n > 0 {
		got, err := unix.Read(fd, p[:min(n, len(p))])
		switch {
		case err == unix.EAGAIN:
			waitReadable(t, fd)
		case err != nil || got == 0:
			t.Fatalf("%d bytes short: %d, %v", n, got, err)
		default:
			n -= got
		}
	}
}

// writeFar writes n bytes to a non-blocking socket.
func writeFar(t *testing.T, fd, n int) {
	t.Helper()
	p := make([]byte, n)
	for len(p) > 0 {
		written, err := unix.Write(fd, p)
		switch {
		case err == unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		case err != nil:
			t.Fatal(err)
		default:
			p = p[written:]
		}
	}
}

// TestPromise7IdleHoldsNoBuffer: when all that came was consumed, and all that was
// sent is with the kernel, a connection keeps nothing.
func TestPromise7IdleHoldsNoBuffer(t *testing.T) {
	loop := startLoop(t)
	complete, request := make(chan struct{}, 1), 0
	var answer []byte
	c, far := pairConnection(t, loop, &Callbacks{
		Message: func(c *TcpConnection, in *Buffer) {
			if in.Len() == request { // the first part of a request is kept
				in.RetrieveAll()
				_ = c.Send(answer)
			}
		},
		WriteComplete: func(*TcpConnection) { complete <- struct{}{} },
	})
	for name, tc := range map[string]struct{ request, answer int }{
		"small":                      {10, 10},
		"a large answer":             {10, 4 << 20},
		"a large request":            {200_000, 10},
		"written past the queue":     {10, directSize},
		"a request and answer alike": {100_000, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			do(t, loop, func() { request, answer = tc.request, make([]byte, tc.answer) })
			writeFar(t, far, tc.request/2)
			do(t, loop, func() {})
			writeFar(t, far, tc.request-tc.request/2)
			readFar(t, far, tc.answer)
			await(t, complete)
			do(t, loop, func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				if c.in.store != nil || c.sending != nil || c.out != nil || c.dirty {
					t.Errorf("input %v, sending %v, out %v, dirty %v", c.in.store, c.sending, c.out, c.dirty)
				}
			})
		})
	}
}

// TestWriteCompleteOnce: output that HandleWrite finishes in an iteration that wrote
// to the connection as well is reported once, and so is what is written at once.
func TestWriteCompleteOnce(t *testing.T) {
	loop := startLoop(t)
	completes := 0
	c, far := pairConnection(t, loop, &Callbacks{WriteComplete: func(*TcpConnection) { completes++ }})
	expect := func(want int, what string) {
		t.Helper()
		do(t, loop, func() {})
		do(t, loop, func() {
			if completes != want {
				t.Errorf("%s: WriteComplete came %d times, want %d", what, completes, want)
			}
			completes = 0
		})
	}
	do(t, loop, func() { _ = c.Send(make([]byte, 4<<20)) })
	expect(0, "output that the kernel does not take")
	do(t, loop, func() {
		if !c.channel.Writing() {
			t.Error("the kernel takes 4 MB of a peer that reads nothing")
		}
		_ = c.SendString("behind it") // has the connection flushed by this iteration
		for c.PendingOutput() {
			readAvailable(t, far)
			c.HandleWrite()
		}
		readAvailable(t, far)
	})
	expect(1, "finished by HandleWrite, and flushed")
	do(t, loop, func() { _ = c.SendString("a"); _ = c.SendString("b") })
	expect(1, "two small pieces")
	do(t, loop, func() { _ = c.Send(make([]byte, directSize)) })
	expect(1, "a piece that is written at once")
	do(t, loop, func() { c.flushLaterInLoop() })
	expect(0, "nothing")
}

// TestUrgentMarkIsForgotten: when the stream was read beyond the mark, a short read
// means again that there is no more.
func TestUrgentMarkIsForgotten(t *testing.T) {
	loop := startLoop(t)
	c, _ := pairConnection(t, loop, &Callbacks{})
	do(t, loop, func() {
		c.channel.ready |= EventRead | EventUrgent
		c.HandleRead()
		if c.channel.ready&EventUrgent != 0 {
			t.Error("urgent data is expected for good")
		}
	})
}
