package reactor

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzBuffer runs a program of operations on a Buffer and on a plain slice.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 200, 1, 20, 2, 10, 0, 255, 4, 0, 2, 255})
	f.Add([]byte{3, 50, 1, 9, 3, 90, 2, 7, 4, 0, 3, 255, 0, 255, 2, 100})
	// Full, with nothing left before it: what is prepended has to find room.
	f.Add([]byte{0, 255, 0, 227, 1, 16, 1, 1, 0, 14, 1, 10})
	f.Fuzz(func(t *testing.T, program []byte) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		PoisonBuffers(true)
		extra := newExtraBuffer()
		var b Buffer
		var model []byte
		next := byte(0)
		for ; len(program) >= 2; program = program[2:] {
			p := make([]byte, int(program[1]))
			for i := range p {
				next++
				p[i] = next
			}
			switch program[0] % 6 {
			case 0:
				b.Append(p)
				model = append(model, p...)
			case 1:
				b.Prepend(p)
				model = append(bytes.Clone(p), model...)
			case 2:
				b.Retrieve(len(p))
				model = model[min(len(p), len(model)):]
			case 3:
				if len(p) == 0 {
					continue
				}
				mustWrite(t, fds[1], p)
				if n, _, err := b.ReadFD(fds[0], extra); n != len(p) || err != nil {
					t.Fatalf("read %d of %d: %v", n, len(p), err)
				}
				model = append(model, p...)
			case 4:
				b.Own()
				poisonFill(extra.bb.B)
			case 5:
				big := bytes.Repeat(p, 3)
				b.AppendString(string(big))
				model = append(model, big...)
			}
			if !bytes.Equal(b.Peek(), model) || b.Len() != len(model) {
				t.Fatalf("the buffer holds %x, want %x", b.Peek(), model)
			}
			if want := bytes.Index(model, crlf); b.FindCRLF(0) != want {
				t.Fatalf("FindCRLF(0) is %d, want %d", b.FindCRLF(0), want)
			}
			if len(model) == 0 && b != (Buffer{}) {
				t.Fatalf("the empty buffer holds %+v", b)
			}
		}
	})
}
