package reactor

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fuzzConfig is for a server and a client that trust each other whoever they are.
var fuzzConfig = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{
		Certificates:       []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		InsecureSkipVerify: true,
	}
})

// TestTLSBuffersAreKnown fails where a Go release has changed what dropBuffers looks
// for: connections then weigh nearly twice as much.
func TestTLSBuffersAreKnown(t *testing.T) {
	if !buffersKnown {
		t.Fatal("tls.Conn has no rawInput and hand that are a bytes.Buffer: see findBuffers")
	}
	f := newFuzzedTLS(t, 0)
	if !f.handshake(func(p []byte) [][]byte { return [][]byte{p} }) {
		t.Fatal("no handshake")
	}
	text := bytes.Repeat([]byte("hello"), 5000)
	f.feed(f.clientSends(text), []int{1, 1000, 20000})
	if !bytes.Equal(f.got, text) {
		t.Fatalf("%d bytes of %d came", len(f.got), len(text))
	}
	conn := f.c.tls().conn
	if rawInputOf(conn).Cap() != 0 || handOf(conn).Cap() != 0 {
		t.Errorf("an idle connection holds %d and %d bytes", rawInputOf(conn).Cap(), handOf(conn).Cap())
	}
	*rawInputOf(conn) = *bytes.NewBufferString("left")
	dropBuffers(conn)
	if rawInputOf(conn).String() != "left" {
		t.Error("bytes are lost")
	}
}

// FuzzTLSRecords: whatever the pieces in which a client's stream comes, and wherever
// it is corrupted or cut off, what is delivered is what the client sent, from its
// beginning; all of it where nothing was changed; and the end of the stream is
// reported only behind all of it. Handshakes come in such pieces as well.
func FuzzTLSRecords(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint16(0), byte(0), uint8(0), uint16(3000))
	f.Add([]byte{255, 7}, uint16(9), byte(1), uint8(1), uint16(40000))
	f.Add([]byte{5}, uint16(700), byte(0x80), uint8(2), uint16(100))
	f.Add([]byte{250, 250}, uint16(4), byte(0xff), uint8(3), uint16(20000))
	f.Fuzz(func(t *testing.T, pieces []byte, at uint16, flip byte, how uint8, size uint16) {
		sizes := []int{1 << 20}
		if len(pieces) > 0 {
			sizes = sizes[:0]
			for _, p := range pieces {
				sizes = append(sizes, 1+int(p)*int(p))
			}
		}
		x := newFuzzedTLS(t, how)
		x.pausing = how&4 != 0
		inHandshake := how&1 != 0 && flip != 0
		if inHandshake {
			x.patience = 20 * time.Millisecond
		}
		corrupt := func(p []byte) []byte {
			if int(at) < len(p) {
				p[at] ^= flip
			}
			return p
		}
		first := true
		done := x.handshake(func(p []byte) [][]byte {
			if first && inHandshake {
				p = corrupt(p)
			}
			first = false
			return cut(p, sizes)
		})
		if !done {
			if !inHandshake {
				t.Fatalf("the handshake failed: %v", x.c.Err())
			}
			return
		}
		text := bytes.Repeat([]byte("0123456789abcdef"), int(size)/16+1)[:size]
		stream := append(x.clientSends(text), x.clientEnds()...)
		whole := len(stream)
		damaged := false
		if !inHandshake {
			damaged = flip != 0 && int(at) < whole
			stream = corrupt(stream)
		}
		if how&8 != 0 && int(at) < whole {
			stream, damaged = stream[:at], true
		}
		x.feed(stream, sizes)
		x.finish()
		switch {
		case !bytes.HasPrefix(text, x.got):
			t.Fatalf("delivered what was not sent: %d bytes", len(x.got))
		case damaged && x.ended:
			t.Fatal("the end of a damaged stream was taken for the end of the client's")
		case damaged && x.c.Err() == nil:
			t.Fatal("a damaged stream was no error")
		case !damaged && (!x.ended || len(x.got) != len(text)):
			t.Fatalf("%d bytes of %d, end %v, error %v", len(x.got), len(text), x.ended, x.c.Err())
		}
	})
}

// cut cuts p into pieces of these sizes, over and over.
func cut(p []byte, sizes []int) (pieces [][]byte) {
	for i := 0; len(p) > 0; i++ {
		n := min(len(p), sizes[i%len(sizes)])
		pieces = append(pieces, p[:n])
		p = p[n:]
	}
	return pieces
}

// fuzzedTLS is a connection on a loop that does not run, which the test feeds, and
// its client, whose output the test takes.
type fuzzedTLS struct {
	t       testing.TB
	loop    *EventLoop
	c       *TcpConnection
	client  *tls.Conn
	out     *takenConn
	got     []byte
	ended   bool // orderly
	pausing bool // Message pauses reading
	// patience with a handshake; one that was corrupted may wait for ever
	patience time.Duration
}

// takenConn is the client's connection: it reads what the server wrote, and what it
// writes is kept for the test to take.
type takenConn struct {
	net.Conn
	written chan []byte
}

func (c *takenConn) Write(p []byte) (int, error) {
	c.written <- bytes.Clone(p)
	return len(p), nil
}

func (c *takenConn) SetWriteDeadline(time.Time) error { return nil }

func newFuzzedTLS(t testing.TB, how uint8) *fuzzedTLS {
	f := &fuzzedTLS{t: t, loop: stillLoop(t), patience: patience}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[1]), "far")
	far, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	f.out = &takenConn{far, make(chan []byte, 1000)}
	config := fuzzConfig().Clone()
	if how&2 != 0 {
		config.MaxVersion = tls.VersionTLS12
	}
	f.client = tls.Client(f.out, config)
	shared := &connShared{loop: f.loop, name: "fuzzed", logger: orDiscard(nil),
		marks:  waterMarks{DefaultLowWater, DefaultHighWater, DefaultHardCap},
		linger: time.Second, tls: &TLS{Config: fuzzConfig()}, gone: func(*TcpConnection) {}}
	f.c = newTcpConnection(shared, fds[0], 1, UnixAddress(""), &Callbacks{
		Message: func(c *TcpConnection, in *Buffer) {
			f.got = append(f.got, in.Peek()...)
			in.RetrieveAll()
			if f.pausing {
				c.StopRead()
			}
		},
		HalfClose: func(*TcpConnection) { f.ended = true },
	})
	f.c.establishInLoop()
	t.Cleanup(func() {
		f.c.closeInLoop(nil)
		f.loop.destroyDying()
		far.Close()
	})
	return f
}

// piece feeds one piece, as HandleRead does.
func (f *fuzzedTLS) piece(p []byte) {
	tcp := f.c.tls()
	if f.c.flags.any(destroying) {
		return
	}
	tcp.raw.Append(p)
	tcp.open()
	f.settle()
}

// settle runs what was queued, resumes reading, and writes.
func (f *fuzzedTLS) settle() {
	for range 100 {
		f.loop.runPending()
		f.loop.flushDirty()
		if f.c.flags.any(destroying) || !f.c.flags.any(pausedByUser) {
			return
		}
		f.c.StartRead()
	}
	f.t.Fatal("paused for ever")
}

func (f *fuzzedTLS) feed(p []byte, sizes []int) {
	for _, piece := range cut(p, sizes) {
		f.piece(piece)
	}
}

// finish is the peer's FIN.
func (f *fuzzedTLS) finish() {
	if !f.c.flags.any(destroying) {
		f.c.finReceived()
		f.settle()
	}
}

// handshake does it, with the client's flights changed and cut.
func (f *fuzzedTLS) handshake(change func([]byte) [][]byte) bool {
	done := make(chan error, 1)
	go func() { done <- f.client.Handshake() }()
	defer func() {
		if !f.c.flags.any(announced) {
			f.out.Conn.Close() // ends the client
			await(f.t, done)
		}
	}()
	for !f.c.flags.any(announced) {
		select {
		case p := <-f.out.written:
			for _, piece := range change(p) {
				f.piece(piece)
			}
		case err := <-done:
			done <- err
			if err != nil {
				return false
			}
			select {
			case p := <-f.out.written:
				for _, piece := range change(p) {
					f.piece(piece)
				}
			default:
				return f.c.flags.any(announced)
			}
		case <-time.After(f.patience):
			return false // each waits for the other
		}
		if f.c.flags.any(destroying | discarding) {
			return false
		}
	}
	return await(f.t, done) == nil
}

// clientSends returns the records of what the client writes.
func (f *fuzzedTLS) clientSends(text []byte) []byte {
	if _, err := f.client.Write(text); err != nil {
		f.t.Fatal(err)
	}
	return f.taken()
}

// clientEnds returns the record of its close_notify.
func (f *fuzzedTLS) clientEnds() []byte {
	if err := f.client.CloseWrite(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		f.t.Fatal(err)
	}
	return f.taken()
}

func (f *fuzzedTLS) taken() (all []byte) {
	for {
		select {
		case p := <-f.out.written:
			all = append(all, p...)
		default:
			return all
		}
	}
}
