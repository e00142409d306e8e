package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// dialogue is one side of a connection to an echo, whatever library it is of. More
// parts than one are to become fragments.
type dialogue struct {
	send    func(op Op, parts ...[]byte) error
	receive func() (Op, []byte, error)
}

// hold sends messages of these sizes, whole and in fragments, and wants each back:
// noise, texts of two-byte characters, and JSON that resembles what was before.
func (d dialogue) hold(t *testing.T, sizes ...int) {
	t.Helper()
	for i, n := range sizes {
		for _, m := range []received{
			{OpBinary, noise(n, uint64(i))},
			{OpText, []byte(strings.Repeat("µ", n/2))},
			{OpText, jsonLike(n, uint64(i))},
		} {
			cut := len(m.p) / 3
			for _, parts := range [][][]byte{{m.p}, {m.p[:cut], m.p[cut : 2*cut], m.p[2*cut:]}} {
				if err := d.send(m.op, parts...); err != nil {
					t.Fatalf("%d bytes in %d parts: %v", n, len(parts), err)
				}
				if op, p, err := d.receive(); err != nil || op != m.op || !bytes.Equal(p, m.p) {
					t.Fatalf("%d bytes in %d parts: op %d, %d bytes, %v", n, len(parts), op, len(p), err)
				}
			}
		}
	}
}

// holdBig sends one text of 16 MiB, less under the race detector, in fragments.
func (d dialogue) holdBig(t *testing.T) {
	t.Helper()
	p := bigJSON()
	if err := d.send(OpText, p[:len(p)/3], p[len(p)/3:]); err != nil {
		t.Fatal(err)
	}
	if op, got, err := d.receive(); err != nil || op != OpText || !bytes.Equal(got, p) {
		t.Fatalf("op %d, %d bytes, %v", op, len(got), err)
	}
}

var bigJSON = sync.OnceValue(func() []byte {
	if underRace() {
		return jsonLike(2<<20, 1)
	}
	return jsonLike(16<<20, 1)
})

// deflateSizes are for connections whose windows are of interest.
var deflateSizes = []int{0, 1, 127, 300, 5000, 70_000}

// withDeflate is nothing for nil.
func withDeflate(d *Deflate) Option {
	if d == nil {
		return func(*config) {}
	}
	return WithDeflate(*d)
}

// agreedBy is what was agreed for c, as agreement takes it: "" for no compression.
func agreedBy(c *Conn) string {
	if c.deflate == nil {
		return ""
	}
	direction := func(d deflateDirection) string {
		if d.takeover {
			return fmt.Sprintf("%d+", d.bits)
		}
		return fmt.Sprint(d.bits)
	}
	return direction(c.deflate.out.params) + " " + direction(c.deflate.in.params)
}

// faces are our client's: on the loop, and for goroutines that block. closeBy ends the
// dialogue from this side and returns what it was told.
var faces = map[string]func(t *testing.T, url string, opts ...DialOption) (c *Conn, d dialogue, closeBy func(Code, string) error){
	"Dial": func(t *testing.T, url string, opts ...DialOption) (*Conn, dialogue, func(Code, string) error) {
		rec := newRecorder()
		messages := make(chan received, 1)
		rec.onMessage = func(_ *Conn, op Op, p []byte) { messages <- received{op, bytes.Clone(p)} }
		client := dialed(t, url, rec, opts...)
		send := func(op Op, parts ...[]byte) error {
			if len(parts) == 1 {
				return client.Send(op, parts[0])
			}
			w, err := client.Conn().NewWriter(t.Context(), op)
			if err != nil {
				return err
			}
			return writeParts(w, parts)
		}
		receive := func() (Op, []byte, error) {
			m := wait(t, "echo", messages)
			return m.op, m.p, nil
		}
		return client.Conn(), dialogue{send, receive}, func(code Code, reason string) error {
			err := client.Close(code, reason)
			wait(t, "end of the client", client.Done())
			return errors.Join(err, unless(client.Err(), code, reason))
		}
	},
	"DialStream": func(t *testing.T, url string, opts ...DialOption) (*Conn, dialogue, func(Code, string) error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		t.Cleanup(cancel)
		s, err := DialStream(ctx, url, opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ended(t, s.Conn().Client()) })
		send := func(op Op, parts ...[]byte) error {
			if len(parts) == 1 {
				return s.Write(ctx, op, parts[0])
			}
			w, err := s.Writer(ctx, op)
			if err != nil {
				return err
			}
			return writeParts(w, parts)
		}
		receive := func() (Op, []byte, error) { return s.Read(ctx) }
		return s.Conn(), dialogue{send, receive}, func(code Code, reason string) error {
			err := s.Close(code, reason)
			return errors.Join(err, unless(context.Cause(s.Context()), code, reason))
		}
	},
}

// unless returns err if it is not this end.
func unless(err error, code Code, reason string) error {
	var end *CloseError
	if errors.As(err, &end) && end.Code == code && (end.Reason == reason || end.Reason == "") {
		return nil
	}
	return fmt.Errorf("ended by %w, want %v %q", err, code, reason)
}

func writeParts(w *Writer, parts [][]byte) error {
	var errs error
	for _, p := range parts {
		_, err := w.Write(p)
		errs = errors.Join(errs, err, w.Flush())
	}
	return errors.Join(errs, w.Close())
}
