package reactor_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// Promise 3: one write path.

func TestSendKeepsOrder(t *testing.T) {
	t.Run("of one goroutine off the loop", func(t *testing.T) {
		everywhere(t, func(t *testing.T, where string) {
			life := newEnds()
			server := serve(t, where, &reactor.Callbacks{Connection: life.connection})
			client := dial(t, server.Addr())
			c := receive(t, life.up, "the connection")
			var want []byte
			for i := range 5000 {
				piece := fmt.Appendf(nil, "%d,", i)
				want = append(want, piece...)
				must(t, c.Send(piece))
			}
			c.Shutdown()
			expectEnd(t, client, want)
		})
	})
	t.Run("of two goroutines that hand a baton over", func(t *testing.T) {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		// What happens before is sent before, whichever goroutine sends, the
		// loop's own included, and whatever the size.
		var want []byte
		baton := make(chan int, 1)
		finished := make(chan struct{})
		sizes := []int{1, 100, 20_000, 3, 200_000}
		send := func(i int) {
			piece := noise(sizes[i%len(sizes)], uint64(i))
			want = append(want, piece...)
			check(t, c.Send(piece))
			if i == 400 {
				close(finished)
			} else {
				baton <- i + 1
			}
		}
		go func() {
			for {
				select {
				case i := <-baton:
					if i%2 == 0 {
						send(i)
					} else {
						_ = c.Loop().QueueInLoop(func() { send(i) })
					}
				case <-finished:
					return
				}
			}
		}()
		baton <- 0
		got := make(chan []byte, 1)
		go func() { all, _ := io.ReadAll(client); got <- all }()
		receive(t, finished, "all is sent")
		c.Shutdown()
		if all := receive(t, got, "all has arrived"); !bytes.Equal(all, want) {
			t.Error(difference(all, want))
		}
	})
	t.Run("of many goroutines, each its own", func(t *testing.T) {
		const senders, each = 8, 300
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		var wg sync.WaitGroup
		for sender := range senders {
			wg.Go(func() {
				for i := range each {
					check(t, c.SendV([]byte{byte(sender)}, binary.BigEndian.AppendUint32(nil, uint32(i))))
				}
			})
		}
		go func() { wg.Wait(); c.Shutdown() }()
		all, err := io.ReadAll(client)
		must(t, err)
		if len(all) != senders*each*5 {
			t.Fatalf("got %d bytes, want %d", len(all), senders*each*5)
		}
		var next [senders]uint32
		for ; len(all) > 0; all = all[5:] {
			sender := all[0]
			if i := binary.BigEndian.Uint32(all[1:]); i != next[sender] {
				t.Fatalf("sender %d: got %d, want %d", sender, i, next[sender])
			}
			next[sender]++
		}
	})
}

// TestSendMixed sends memory and files in any order, on and off the loop, through
// a socket that takes little at a time to a peer that reads slowly.
func TestSendMixed(t *testing.T) {
	const steps = 120
	everywhere(t, func(t *testing.T, where string) {
		for _, onTheLoop := range []bool{true, false} {
			t.Run(fmt.Sprintf("on the loop %v", onTheLoop), func(t *testing.T) {
				life := newEnds()
				server := serve(t, where, &reactor.Callbacks{Connection: life.connection})
				client := dialNarrow(t, server.Addr())
				c := receive(t, life.up, "the connection")
				inLoop(t, c.Loop(), func() { check(t, c.Socket().SetSendBuffer(1)) })
				content := noise(70_000, 4)
				random := rand.New(rand.NewPCG(5, 6))
				var want []byte
				var files []*trackedFile
				var plan []func() error
				for range steps {
					off := random.IntN(len(content) - 1)
					piece := content[off : off+1+random.IntN(min(len(content)-off, 1<<random.IntN(16)))]
					want = append(want, piece...)
					switch random.IntN(4) {
					case 0:
						plan = append(plan, func() error { return c.Send(piece) })
					case 1:
						plan = append(plan, func() error { return c.SendString(string(piece)) })
					case 2:
						cut := random.IntN(len(piece))
						plan = append(plan, func() error { return c.SendV(piece[:cut], nil, piece[cut:]) })
					case 3:
						file := openTracked(t, content)
						files = append(files, file)
						plan = append(plan, func() error { return c.SendFile(file, int64(off), int64(len(piece))) })
					}
				}
				send := func() {
					for _, step := range plan {
						check(t, step())
					}
					c.Shutdown()
				}
				if onTheLoop {
					inLoop(t, c.Loop(), send)
				} else {
					go send()
				}
				got := readSlowly(t, client)
				if !bytes.Equal(got, want) {
					t.Error(difference(got, want))
				}
				for _, file := range files {
					file.expectClosed(t)
				}
			})
		}
	})
}

// readSlowly reads to the end in pieces that fit no other boundary.
func readSlowly(tb testing.TB, conn net.Conn) []byte {
	tb.Helper()
	var all []byte
	piece := make([]byte, 1009)
	for {
		n, err := conn.Read(piece)
		all = append(all, piece[:n]...)
		if err == io.EOF {
			return all
		}
		must(tb, err)
	}
}

// TestSendSmallestBuffer drives each way to send alone through the smallest send
// buffer: every one of them meets short writes and EAGAIN.
func TestSendSmallestBuffer(t *testing.T) {
	want := noise(400_000, 7)
	cases := []struct {
		name string
		send func(t *testing.T, c *reactor.TcpConnection) error
	}{
		{"Send at once", func(_ *testing.T, c *reactor.TcpConnection) error { return c.Send(want) }},
		{"Send in small pieces", func(_ *testing.T, c *reactor.TcpConnection) error {
			for p := want; len(p) > 0; p = p[min(len(p), 777):] {
				if err := c.Send(p[:min(len(p), 777)]); err != nil {
					return err
				}
			}
			return nil
		}},
		{"SendV", func(_ *testing.T, c *reactor.TcpConnection) error {
			return c.SendV(want[:1], want[1:5000], nil, want[5000:200_000], want[200_000:])
		}},
		{"SendFile", func(t *testing.T, c *reactor.TcpConnection) error {
			return c.SendFile(openTracked(t, want), 0, int64(len(want)))
		}},
	}
	everywhere(t, func(t *testing.T, where string) {
		for _, tc := range cases {
			for _, onTheLoop := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, on the loop %v", tc.name, onTheLoop), func(t *testing.T) {
					life := newEnds()
					server := serve(t, where, &reactor.Callbacks{Connection: life.connection})
					client := dialNarrow(t, server.Addr())
					c := receive(t, life.up, "the connection")
					inLoop(t, c.Loop(), func() { check(t, c.Socket().SetSendBuffer(1)) })
					if onTheLoop {
						inLoop(t, c.Loop(), func() { check(t, tc.send(t, c)) })
					} else {
						must(t, tc.send(t, c))
					}
					c.Shutdown()
					if got := readSlowly(t, client); !bytes.Equal(got, want) {
						t.Error(difference(got, want))
					}
				})
			}
		}
	})
}

// TestSendCopies: the caller may reuse its memory when Send has returned, also
// when the kernel did not take all of it.
func TestSendCopies(t *testing.T) {
	for _, size := range []int{100, 4 << 20} {
		life := newEnds()
		server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		want := noise(size, 8)
		p := bytes.Clone(want)
		inLoop(t, c.Loop(), func() { check(t, c.SendV(p[:size/2], p[size/2:])); clear(p) })
		c.Shutdown()
		expectEnd(t, client, want)
	}
}

// TestSendNothing: an empty Send is accepted and sends nothing.
func TestSendNothing(t *testing.T) {
	life := newEnds()
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection, Message: echo})
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	nothing := func() {
		check(t, c.Send(nil))
		check(t, c.SendString(""))
		check(t, c.SendV())
		check(t, c.SendV(nil, []byte{}))
	}
	nothing()
	turn(t, c.Loop())
	must(t, c.SendFile(openTracked(t, []byte("file ")), 0, 5))
	nothing()
	inLoop(t, c.Loop(), nothing)
	write(t, client, "and on")
	expect(t, client, "file and on")
	turn(t, c.Loop())
	if n := c.OutputBytes(); n != 0 {
		t.Errorf("%d bytes are left of nothing", n)
	}
}

// TestSendCoalesces counts the segments with data that the kernel sent: TCP_NODELAY
// is set, so each system call would be at least one.
func TestSendCoalesces(t *testing.T) {
	const sends = 100
	life := newEnds()
	file := openTracked(t, []byte("file"))
	var before uint32
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: life.connection,
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			before = dataSegments(t, c)
			request := string(in.Peek())
			in.RetrieveAll()
			switch request {
			case "memory":
				for range sends {
					_ = c.SendString("0123456789")
				}
			case "file":
				_ = c.SendString("header")
				_ = c.SendFile(file, 0, 4)
			}
		},
	})
	client := dial(t, server.Addr())
	c := receive(t, life.up, "the connection")
	ask := func(request, want string, limit uint32) {
		t.Helper()
		write(t, client, request)
		expect(t, client, want)
		inLoop(t, c.Loop(), func() {
			if n := dataSegments(t, c) - before; n > limit {
				t.Errorf("%s: %d segments, want %d", request, n, limit)
			}
		})
	}
	var want string
	for range sends {
		want += "0123456789"
	}
	ask("memory", want, 1)
	ask("file", "headerfile", 1)

	// What other goroutines send before the loop comes to it leaves at once too.
	inLoop(t, c.Loop(), func() {
		before = dataSegments(t, c)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range sends {
				_ = c.SendString("0123456789")
			}
		}()
		<-sent
	})
	expect(t, client, want)
	inLoop(t, c.Loop(), func() {
		if n := dataSegments(t, c) - before; n > 1 {
			t.Errorf("off the loop: %d segments, want 1", n)
		}
	})
}

// dataSegments is how many segments with data the kernel has sent; on c's loop.
func dataSegments(tb testing.TB, c *reactor.TcpConnection) uint32 {
	tb.Helper()
	info, err := unix.GetsockoptTCPInfo(c.Socket().FD(), unix.IPPROTO_TCP, unix.TCP_INFO)
	must(tb, err)
	return info.Data_segs_out
}

// TestWriteComplete comes once all output is with the kernel, however long that
// takes.
func TestWriteComplete(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		life := newEnds()
		complete := make(chan int, 100)
		server := serve(t, where, &reactor.Callbacks{
			Connection:    life.connection,
			WriteComplete: func(c *reactor.TcpConnection) { complete <- c.OutputBytes() },
		})
		client := dial(t, server.Addr())
		c := receive(t, life.up, "the connection")
		must(t, c.SendString("x"))
		receive(t, complete, "WriteComplete")
		const size = 8 << 20
		must(t, c.Send(make([]byte, size)))
		turn(t, c.Loop())
		if !c.PendingOutput() || len(complete) != 0 {
			t.Fatalf("the peer reads nothing, but %d of %d bytes wait, %d times complete", c.OutputBytes(), size, len(complete))
		}
		expect(t, client, "x")
		_, err := io.CopyN(io.Discard, client, size)
		must(t, err)
		if left := receive(t, complete, "WriteComplete"); left != 0 {
			t.Errorf("complete with %d bytes left", left)
		}
		turn(t, c.Loop())
		if len(complete) != 0 {
			t.Errorf("WriteComplete comes %d more times", len(complete))
		}
	})
}
