package reactor_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// trackedFile is a File that says when it was closed, and by its finish whether
// that happened once.
type trackedFile struct {
	*os.File
	closes atomic.Int32
	closed chan struct{}
}

func openTracked(tb testing.TB, content []byte) *trackedFile {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file")
	must(tb, os.WriteFile(path, content, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(tb, err)
	return &trackedFile{File: f, closed: make(chan struct{})}
}

func (f *trackedFile) Close() error {
	if f.closes.Add(1) == 1 {
		close(f.closed)
	}
	return f.File.Close()
}

func (f *trackedFile) expectClosed(tb testing.TB) {
	tb.Helper()
	receive(tb, f.closed, "the file is closed")
	if n := f.closes.Load(); n != 1 {
		tb.Errorf("the file was closed %d times", n)
	}
}

func TestSendFileOffsetAndLength(t *testing.T) {
	large := noise(5<<20+7, 2)
	cases := []struct {
		name   string
		off, n int64
	}{
		{"one byte", 0, 1},
		{"the last byte", int64(len(large)) - 1, 1},
		{"nothing", 3, 0},
		{"less than nothing", 3, -1},
		{"from the middle", 4097, 100_003},
		{"all of it", 0, int64(len(large))},
	}
	everywhere(t, func(t *testing.T, where string) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				file := openTracked(t, large)
				life := newEnds()
				server := serve(t, where, &reactor.Callbacks{Connection: life.connection})
				client := dial(t, server.Addr())
				c := receive(t, life.up, "the connection")
				must(t, c.SendFile(file, tc.off, tc.n))
				c.Shutdown()
				n := max(tc.n, 0)
				expectEnd(t, client, large[tc.off:tc.off+n])
				file.expectClosed(t)
			})
		}
	})
}

// TestSendFileIsTakenOver: whatever becomes of the connection, the file is closed,
// once.
func TestSendFileIsTakenOver(t *testing.T) {
	const size = 16 << 20 // more than the kernel takes from a peer that reads nothing
	cases := []struct {
		name string
		send func(t *testing.T, s *testServer, c *reactor.TcpConnection, f reactor.File)
		want error // of SendFile
		opts []reactor.ServerOption
	}{
		{name: "closed by force", send: func(_ *testing.T, _ *testServer, c *reactor.TcpConnection, _ reactor.File) {
			c.ForceClose()
		}},
		{name: "the linger time ends", send: func(_ *testing.T, _ *testServer, c *reactor.TcpConnection, _ reactor.File) {
			c.Shutdown()
		}, opts: []reactor.ServerOption{reactor.WithLinger(1)}},
		{name: "the server is stopped", send: func(t *testing.T, s *testServer, _ *reactor.TcpConnection, _ reactor.File) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wantError(t, s.Shutdown(ctx), context.Canceled)
		}},
		{name: "a deadline passes", send: func(t *testing.T, _ *testServer, c *reactor.TcpConnection, _ reactor.File) {
			inLoop(t, c.Loop(), func() { c.SetDeadline(c.Loop().Now()) })
		}},
		{name: "no room", opts: []reactor.ServerOption{reactor.WithWaterMarks(0, 0, 1000)}, want: reactor.ErrOutputFull},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			life := newEnds()
			server := serve(t, onUnix, &reactor.Callbacks{Connection: life.connection}, tc.opts...)
			dial(t, server.Addr())
			c := receive(t, life.up, "the connection")
			first, second := openTracked(t, nil), openTracked(t, nil)
			must(t, first.Truncate(size))
			must(t, second.Truncate(size))
			wantError(t, c.SendFile(first, 0, size), tc.want)
			if tc.want == nil {
				must(t, c.SendFile(second, 0, size))
				tc.send(t, server, c, first)
			} else {
				wantError(t, c.SendFile(second, 0, size), reactor.ErrClosed)
			}
			receive(t, life.down, "the end")
			first.expectClosed(t)
			second.expectClosed(t)
		})
	}
}

func TestSendFileLostConnection(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
	client := dialNarrow(t, server.Addr())
	c := receive(t, life.up, "the connection")
	file := openTracked(t, nil)
	must(t, file.Truncate(64<<20))
	must(t, c.SendFile(file, 0, 64<<20))
	_, err := io.ReadFull(client, make([]byte, 1000))
	must(t, err)
	reset(t, client)
	if err := receive(t, life.down, "the end"); err == nil {
		t.Error("a reset in the middle of a file says nothing")
	}
	file.expectClosed(t)
}

// TestSendFileTruncated: the length was promised to the peer, so the connection
// ends rather than go on with other bytes.
func TestSendFileTruncated(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		content := noise(1000, 3)
		file := openTracked(t, content)
		must(t, c.SendFile(file, 0, 1001))
		_ = c.SendString("never sent") // or refused, when the end came first
		wantError(t, receive(t, life.down, "the end"), reactor.ErrFileTruncated)
		got, _ := io.ReadAll(client)
		if string(got) != string(content) {
			t.Error(difference(got, content))
		}
		file.expectClosed(t)
	})
	t.Run("while it is sent", func(t *testing.T) {
		const size, left = 32 << 20, 16 << 20
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		file := openTracked(t, nil)
		must(t, file.Truncate(size))
		must(t, c.SendFile(file, 0, size))
		turn(t, c.Loop()) // the kernel has taken what it takes
		must(t, file.Truncate(left))
		n, _ := io.Copy(io.Discard, client)
		if n > left {
			t.Errorf("%d bytes came of a file of %d", n, left)
		}
		wantError(t, receive(t, life.down, "the end"), reactor.ErrFileTruncated)
		file.expectClosed(t)
	})
	t.Run("beyond its end", func(t *testing.T) {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
		dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		file := openTracked(t, []byte("short"))
		must(t, c.SendFile(file, 100, 1))
		wantError(t, receive(t, life.down, "the end"), reactor.ErrFileTruncated)
		file.expectClosed(t)
	})
}
