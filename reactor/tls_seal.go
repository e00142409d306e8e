package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

// The write side of tlsStream: plaintext is encrypted only as the kernel takes what
// came of it, so that little of it waits as ciphertext.

// sealSize is how much plaintext is encrypted before what came of it is written.
const sealSize = 64 << 10

// unsent reports whether there is anything to write now.
func (t *tlsStream) unsent() bool {
	if t.handshake != nil {
		return !t.handshake.away && !t.sealed.empty()
	}
	return !t.c.sending.empty() || !t.sealed.empty()
}

// write encrypts and writes what the kernel takes, up to the budget.
func (t *tlsStream) write() error {
	for budget := int64(writeBudget); budget > 0 && t.unsent(); {
		if t.sealed == nil {
			if err := t.seal(); err != nil {
				return err
			}
		}
		sent, err := t.writeSealed()
		if err != nil {
			return err
		}
		budget -= sent
	}
	return nil
}

// writeSealed writes what the kernel takes of sealed.
func (t *tlsStream) writeSealed() (sent int64, err error) {
	if t.sealed == nil {
		return 0, nil
	}
	sent, err = t.c.writeQueue(t.sealed)
	if t.sealed.empty() {
		t.sealed.free()
		t.sealed = nil
	}
	return sent, err
}

// seal encrypts the next plaintext, up to sealSize: a long stretch of memory from
// where it lies, and else as much as the loop's room takes, so that what is small
// shares a record. OutputBytes goes from the one to the other in one step, since any
// goroutine may read it.
func (t *tlsStream) seal() error {
	t.sealing, t.unweighed = true, 0
	weight, err := t.sealNext()
	t.sealing = false
	t.c.weight.Add(int64(t.unweighed - weight))
	return err
}

// sealNext is seal without the weight, that of the plaintext that is gone.
func (t *tlsStream) sealNext() (weight int, err error) {
	q := t.c.sending
	if s := &q.segments[q.head]; s.file == nil && (len(s.mem) >= recordSize || q.head == len(q.segments)-1) {
		n := min(len(s.mem), sealSize)
		if _, err := t.conn.Write(s.mem[:n]); err != nil {
			return 0, err
		}
		q.advance(n)
		return n, nil
	}
	room := t.c.Loop().sealingRoom()
	n, weight, err := q.gather(room)
	if err == nil {
		_, err = t.conn.Write(room[:n])
	}
	return weight, err
}

// gather moves the head of the queue into p, of files as well. weight is what that
// finished.
func (q *outputQueue) gather(p []byte) (n, weight int, err error) {
	for n < len(p) && !q.empty() {
		s := &q.segments[q.head]
		if s.file == nil {
			m := copy(p[n:], s.mem)
			q.advance(m)
			n, weight = n+m, weight+m
			continue
		}
		m, err := preadRetry(int(s.file.Fd()), p[n:n+int(min(s.left, int64(len(p)-n)))], s.off)
		if m <= 0 {
			if err == nil {
				err = ErrFileTruncated
			}
			return n, weight, err
		}
		n += m
		s.off += int64(m)
		if s.left -= int64(m); s.left == 0 {
			weight += fileWeight
			q.pop()
		}
	}
	return n, weight, nil
}

// sealEnd puts the end of our stream behind the output, and reports whether there is
// now something to write.
func (t *tlsStream) sealEnd() bool {
	if t.endSealed || t.handshake != nil {
		return false
	}
	t.endSealed = true
	_ = t.conn.CloseWrite() // it fails where the connection has failed
	return t.sealed != nil
}

func (t *tlsStream) dropSealed() {
	if t.sealed != nil && (t.handshake == nil || !t.handshake.away) {
		t.sealed.discard()
		t.sealed = nil
	}
}

// dropPlaintext drops what was sent during a StartTLS that has failed, and cannot
// leave any more; the FIN would wait for it.
func (t *tlsStream) dropPlaintext() {
	c := t.c
	c.mu.Lock()
	c.outClosed.Store(true)
	c.mu.Unlock()
	c.takeOutput()
	if c.sending == nil {
		return
	}
	for _, s := range c.sending.segments[c.sending.head:] {
		if s.file != nil {
			c.weight.Add(-fileWeight)
		} else {
			c.weight.Add(int64(-len(s.mem)))
		}
	}
	c.sending.discard()
	c.sending = nil
}

// preadRetry is pread(2), again after EINTR.
func preadRetry(fd int, p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(fd, p, off)
		if err != unix.EINTR {
			return n, os.NewSyscallError("pread", err)
		}
	}
}
