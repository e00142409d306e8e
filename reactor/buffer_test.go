package reactor

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"
)

func TestBufferPrependWithinTheReserveDoesNotMove(t *testing.T) {
	var b Buffer
	b.AppendString("body")
	before := &b.Peek()[0]
	head := strings.Repeat("h", CheapPrepend)
	b.Prepend([]byte(head))
	if got := string(b.Peek()); got != head+"body" {
		t.Fatalf("got %q", got)
	}
	if &b.Peek()[CheapPrepend] != before {
		t.Error("the body moved, though the head fitted before it")
	}
}

func TestBufferPrependBeyondTheReserve(t *testing.T) {
	for _, first := range []int{0, 1, CheapPrepend} {
		for _, room := range []int{0, 1, CheapPrepend, CheapPrepend + 1, 100} { // behind the bytes
			for _, second := range []int{1, CheapPrepend, CheapPrepend + 1, 40, 1000} {
				t.Run(fmt.Sprintf("%d before %d with room for %d", second, first, room), func(t *testing.T) {
					var b Buffer
					b.AppendString("b")
					b.Append(bytes.Repeat([]byte("b"), cap(b.store.B)-b.writer-room))
					body := string(b.Peek())
					b.Prepend(bytes.Repeat([]byte("1"), first))
					b.Prepend(bytes.Repeat([]byte("2"), second))
					want := strings.Repeat("2", second) + strings.Repeat("1", first) + body
					if got := string(b.Peek()); got != want {
						t.Fatalf("%d bytes instead of %d, or others", len(got), len(want))
					}
				})
			}
		}
	}
}

func TestBufferMovesBeforeItGrows(t *testing.T) {
	var b Buffer
	b.AppendString("x")
	size := cap(b.store.B)
	b.Append(bytes.Repeat([]byte("x"), size-CheapPrepend-1))
	if cap(b.store.B) != size {
		t.Fatalf("it grew to %d although everything fitted into %d", cap(b.store.B), size)
	}
	b.Retrieve(b.Len() - 3)
	b.AppendString(strings.Repeat("y", size/2))
	if cap(b.store.B) != size {
		t.Errorf("it grew to %d although moving 3 bytes made room in %d", cap(b.store.B), size)
	}
	if want := "xxx" + strings.Repeat("y", size/2); string(b.Peek()) != want {
		t.Errorf("got %q", b.Peek())
	}
	if b.reader != CheapPrepend {
		t.Errorf("after the move %d bytes can be prepended, want %d", b.reader, CheapPrepend)
	}
}

func TestBufferGrows(t *testing.T) {
	var b Buffer
	var want []byte
	for i := range 3000 {
		line := fmt.Appendf(nil, "line %d\r\n", i)
		b.Append(line)
		want = append(want, line...)
	}
	if !bytes.Equal(b.Peek(), want) {
		t.Fatal("growing changed the bytes")
	}
	b.Retrieve(5)
	if !bytes.Equal(b.Peek(), want[5:]) || b.Len() != len(want)-5 {
		t.Fatal("retrieving took the wrong bytes")
	}
}

func TestBufferFindCRLF(t *testing.T) {
	for _, c := range []struct {
		in   string
		from int
		want int
	}{
		{"", 0, -1},
		{"abc", 0, -1},
		{"\r\n", 0, 0},
		{"abc\r\n", 0, 3},
		{"abc\r\n", 3, 3},
		{"abc\r\n", 4, 3}, // searched up to the CR, before the LF came
		{"abc\r\n", 5, -1},
		{"a\r\nb\r\n", 3, 4},
		{"a\nb\rc\r\r\n", 0, 6},
		{"abc\r", 0, -1},
		{"abc\r", 4, -1},
		{"abc\r\n", 6, -1},
		{"abc\r\n", -1, -1},
	} {
		var b Buffer
		b.AppendString("gone" + c.in)
		b.Retrieve(4)
		if got := b.FindCRLF(c.from); got != c.want {
			t.Errorf("FindCRLF(%d) in %q: got %d, want %d", c.from, c.in, got, c.want)
		}
	}
}

// A line that arrives byte by byte is found although each search goes on where
// the last one ended, also between CR and LF.
func TestBufferFindCRLFAcrossSplit(t *testing.T) {
	var b Buffer
	const line = "GET / HTTP/1.1\r\n"
	searched := 0
	for i := range len(line) {
		b.AppendString(line[i : i+1])
		got := b.FindCRLF(searched)
		want := -1
		if i == len(line)-1 {
			want = len(line) - 2
		}
		if got != want {
			t.Fatalf("after %q: got %d, want %d", line[:i+1], got, want)
		}
		searched = b.Len()
	}
}

func TestPromise7EmptyBufferHoldsNoStorage(t *testing.T) {
	for name, empty := range map[string]func(*Buffer){
		"Retrieve all":    func(b *Buffer) { b.Retrieve(b.Len()) },
		"Retrieve beyond": func(b *Buffer) { b.Retrieve(b.Len() + 1) },
		"Retrieve bits":   func(b *Buffer) { b.Retrieve(1); b.Retrieve(b.Len()) },
		"RetrieveAll":     (*Buffer).RetrieveAll,
	} {
		t.Run(name, func(t *testing.T) {
			var b Buffer
			b.AppendString("some bytes")
			b.Prepend([]byte("and "))
			empty(&b)
			if b != (Buffer{}) {
				t.Errorf("the empty buffer holds %+v", b)
			}
			if b.Len() != 0 || b.Peek() != nil {
				t.Errorf("Len %d, Peek %q", b.Len(), b.Peek())
			}
			b.AppendString("again")
			if string(b.Peek()) != "again" {
				t.Errorf("used again it holds %q", b.Peek())
			}
		})
	}
}

// A large buffer's storage does not go back: a few bytes of the next connection
// would pin all of it.
func TestBufferLargeStorageIsNotPooled(t *testing.T) {
	var pool bytebufferpool.Pool
	for range 10 {
		release(&pool, &bytebufferpool.ByteBuffer{B: make([]byte, maxPooled+1)})
		if got := cap(pool.Get().B); got > maxPooled {
			t.Fatalf("the pool gave out %d bytes of storage", got)
		}
	}
}

func TestBufferReadFDBorrowsAndOwnKeepsTheRest(t *testing.T) {
	near, far := socketPair(t)
	extra := newExtraBuffer()
	var b Buffer
	mustWrite(t, far, []byte("first message"))
	n, short, err := b.ReadFD(near, extra)
	if n != 13 || !short || err != nil {
		t.Fatalf("got %d, %v, %v", n, short, err)
	}
	if &b.Peek()[0] != &extra.bb.B[0] {
		t.Error("the bytes were copied instead of borrowed")
	}
	b.Retrieve(6)
	b.Own()
	mustWrite(t, far, []byte("another connection's"))
	var other Buffer
	if _, _, err := other.ReadFD(near, extra); err != nil {
		t.Fatal(err)
	}
	if string(b.Peek()) != "message" || string(other.Peek()) != "another connection's" {
		t.Errorf("%q and %q after both used the same extra buffer", b.Peek(), other.Peek())
	}
	other.RetrieveAll()
	other.Own() // of nothing
	if other != (Buffer{}) {
		t.Errorf("the empty buffer holds %+v", other)
	}
}

// What is added to bytes that are still borrowed leaves the loop's buffer alone.
func TestBufferChangesToBorrowedBytesAreItsOwn(t *testing.T) {
	for name, change := range map[string]func(*Buffer){
		"Append":       func(b *Buffer) { b.Append([]byte("|end")) },
		"AppendString": func(b *Buffer) { b.AppendString("|end") },
		"Prepend":      func(b *Buffer) { b.Prepend([]byte("begin|")) },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := socketPair(t)
			extra := newExtraBuffer()
			mustWrite(t, far, []byte("middle"))
			var b Buffer
			if _, _, err := b.ReadFD(near, extra); err != nil {
				t.Fatal(err)
			}
			change(&b)
			poisonFill(extra.bb.B)
			want := map[string]string{"Append": "middle|end", "AppendString": "middle|end", "Prepend": "begin|middle"}[name]
			if string(b.Peek()) != want {
				t.Errorf("got %q, want %q", b.Peek(), want)
			}
		})
	}
}

// TestBufferReadFDWithBytesOfItsOwn is the readv path: into what room the buffer
// has, and the overflow through extra.
func TestBufferReadFDWithBytesOfItsOwn(t *testing.T) {
	const room = 100
	for _, sent := range []int{1, room - 1, room, room + 1, room + 5000, room + extraSize - 1, room + extraSize, room + extraSize + 7} {
		t.Run(fmt.Sprint(sent), func(t *testing.T) {
			near, far := socketPair(t)
			for _, fd := range []int{near, far} {
				if err := (Socket{fd}).SetSendBuffer(1 << 20); err != nil {
					t.Fatal(err)
				}
			}
			var b Buffer
			b.AppendString("x")
			b.Append(bytes.Repeat([]byte("x"), cap(b.store.B)-b.writer-room))
			held := bytes.Clone(b.Peek())
			sentBytes := make([]byte, sent)
			for i := range sentBytes {
				sentBytes[i] = byte(i % 251)
			}
			mustWrite(t, far, sentBytes)
			extra := newExtraBuffer()
			n, short, err := b.ReadFD(near, extra)
			want := min(sent, room+extraSize)
			if n != want || err != nil {
				t.Fatalf("read %d bytes, %v; want %d", n, err, want)
			}
			if short != (sent < room+extraSize) {
				t.Errorf("short is %v", short)
			}
			poisonFill(extra.bb.B)
			if !bytes.Equal(b.Peek(), append(held, sentBytes[:want]...)) {
				t.Error("the bytes differ from those that were sent")
			}
		})
	}
}

func TestBufferReadFDShort(t *testing.T) {
	near, far := socketPair(t)
	if err := (Socket{far}).SetSendBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, far, make([]byte, extraSize+1))
	extra := newExtraBuffer()
	for _, want := range []struct {
		n     int
		short bool
	}{{extraSize, false}, {1, true}} {
		var b Buffer
		n, short, err := b.ReadFD(near, extra)
		if n != want.n || short != want.short || err != nil {
			t.Errorf("got %d, %v, %v; want %+v", n, short, err, want)
		}
		b.RetrieveAll()
	}
}

func TestBufferReadFDEndAndErrors(t *testing.T) {
	for _, held := range []string{"", "partial"} {
		t.Run(fmt.Sprintf("holding %q", held), func(t *testing.T) {
			near, far := socketPair(t)
			extra := newExtraBuffer()
			var b Buffer
			b.AppendString(held)
			if n, short, err := b.ReadFD(near, extra); n > 0 || !short || !errors.Is(err, unix.EAGAIN) {
				t.Errorf("nothing there: got %d, %v, %v", n, short, err)
			}
			if err := unix.Shutdown(far, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			if n, short, err := b.ReadFD(near, extra); n != 0 || !short || err != nil {
				t.Errorf("end of stream: got %d, %v, %v", n, short, err)
			}
			if n, _, err := b.ReadFD(-1, extra); n > 0 || !errors.Is(err, unix.EBADF) {
				t.Errorf("bad fd: got %d, %v", n, err)
			}
			if string(b.Peek()) != held {
				t.Errorf("the buffer holds %q", b.Peek())
			}
		})
	}
}

// TestBufferPoison: views kept too long read poison, whichever way the bytes went.
func TestBufferPoison(t *testing.T) {
	PoisonBuffers(true)
	near, far := socketPair(t)
	extra := newExtraBuffer()
	for name, view := range map[string]func() []byte{
		"own storage": func() []byte {
			var b Buffer
			b.AppendString("secret")
			view := b.Peek()
			b.RetrieveAll()
			return view
		},
		"borrowed": func() []byte {
			mustWrite(t, far, []byte("secret"))
			var b Buffer
			if _, _, err := b.ReadFD(near, extra); err != nil {
				t.Fatal(err)
			}
			view := b.Peek()
			b.Retrieve(len(view))
			return view
		},
		"borrowed, then owned": func() []byte {
			mustWrite(t, far, []byte("secret"))
			var b Buffer
			if _, _, err := b.ReadFD(near, extra); err != nil {
				t.Fatal(err)
			}
			view := b.Peek()
			b.Own()
			if string(b.Peek()) != "secret" {
				t.Errorf("owned: %q", b.Peek())
			}
			return view
		},
		"grown": func() []byte {
			var b Buffer
			b.AppendString("secret")
			view := b.Peek()
			b.Append(make([]byte, cap(b.store.B)))
			return view
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := view(); !bytes.Equal(got, bytes.Repeat([]byte{poisonByte}, len(got))) {
				t.Errorf("the old view reads %q", got)
			}
		})
	}
}

// Reading a message and consuming it whole, which is what connections do all day,
// allocates nothing.
func TestBufferReadFDDoesNotAllocate(t *testing.T) {
	near, far := socketPair(t)
	extra := newExtraBuffer()
	message := []byte("GET / HTTP/1.1\r\n\r\n")
	var b Buffer
	allocs := testing.AllocsPerRun(100, func() {
		mustWrite(t, far, message)
		if _, _, err := b.ReadFD(near, extra); err != nil {
			t.Fatal(err)
		}
		b.RetrieveAll()
	})
	if allocs != 0 {
		t.Errorf("%v allocations for each message", allocs)
	}
}
