package ws

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// drained is clients whose input nobody looks at: one goroutine reads it all.
type drained struct {
	t     testing.TB
	epoll int
	bytes chan int // after each wait
	done  chan struct{}
	stop  [2]int
}

func newDrained(t testing.TB) *drained {
	d := &drained{t: t, done: make(chan struct{}), bytes: make(chan int, 1)}
	var err error
	if d.epoll, err = unix.EpollCreate1(0); err != nil {
		t.Fatal(err)
	}
	if err = unix.Pipe(d.stop[:]); err != nil {
		t.Fatal(err)
	}
	d.watch(d.stop[0])
	go d.read()
	t.Cleanup(func() {
		unix.Close(d.stop[1])
		<-d.done
		unix.Close(d.stop[0])
		unix.Close(d.epoll)
	})
	return d
}

func (d *drained) watch(fd int) {
	if err := unix.EpollCtl(d.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		d.t.Fatal(err)
	}
}

// add has the rest of c's input read. c must have nothing buffered.
func (d *drained) add(c *client) {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { d.watch(int(fd)) }); err != nil {
		d.t.Fatal(err)
	}
}

func (d *drained) read() {
	defer close(d.done)
	events := make([]unix.EpollEvent, 1024)
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.EpollWait(d.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			d.t.Error(err)
			return
		}
		total := 0
		for i := range max(n, 0) {
			fd := int(events[i].Fd)
			if fd == d.stop[0] {
				return
			}
			k, err := unix.Read(fd, buf)
			if k <= 0 {
				_ = unix.EpollCtl(d.epoll, unix.EPOLL_CTL_DEL, fd, nil)
				if err != nil && !errors.Is(err, unix.ECONNRESET) {
					d.t.Error(err)
				}
			}
			total += max(k, 0)
		}
		d.bytes <- total
	}
}

// await waits until so many bytes have come.
func (d *drained) await(n int) {
	for n > 0 {
		n -= <-d.bytes
	}
	if n < 0 {
		d.t.Fatal(-n, "bytes too many")
	}
}

// members makes n connections on one loop.
func members(b testing.TB, h *Hub, loops, n int) (*party, *drained) {
	p := newParty(b, h, loops, n, WithKeepalive(0, 0))
	d := newDrained(b)
	for _, cl := range p.clients {
		d.add(cl)
	}
	return p, d
}

// BenchmarkPublishAmongTopics publishes 125 bytes to a topic of 10, with so many other
// topics of one member in the hub.
func BenchmarkPublishAmongTopics(b *testing.B) {
	for _, others := range []int{0, 1, 10_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			p, d := members(b, NewHub(), 1, 110)
			for i := range 10 {
				p.join("topic", i)
			}
			for i := range others {
				if err := p.hub.Join(p.conns[10+i%100], fmt.Sprint("other ", i)); err != nil {
					b.Fatal(err)
				}
			}
			p.flush()
			m := Prepare(OpBinary, make([]byte, 125))
			onLoopTimed(b, p, d, 10*len(m.frame), func() { p.hub.PublishPrepared("topic", m) })
		})
	}
}

// BenchmarkFanOut publishes 125 bytes to all members of a topic on one loop: the time
// for each message, from Publish to the last byte that arrived.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{100, 1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, d := members(b, NewHub(), 1, n)
			for _, c := range p.conns {
				if err := p.hub.Join(c, "topic"); err != nil {
					b.Fatal(err)
				}
			}
			p.flush()
			fanOut(b, p, d, n)
		})
	}
}

func fanOut(b *testing.B, p *party, d *drained, n int) {
	m := Prepare(OpBinary, make([]byte, 125))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.hub.PublishPrepared("topic", m); err != nil {
			b.Fatal(err)
		}
		d.await(n * len(m.frame))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/member")
}

// onLoopTimed measures what f costs its loop, without the writes that follow, which
// bring the clients so many bytes.
func onLoopTimed(b *testing.B, p *party, d *drained, bytes int, f func()) {
	b.ReportAllocs()
	b.ResetTimer()
	b.StopTimer()
	for range b.N {
		onLoop(b, p.conns[0], func() error {
			b.StartTimer()
			f()
			b.StopTimer()
			return nil
		})
		d.await(bytes)
	}
}

// BenchmarkDeliver is what a loop spends on a fan-out before the bytes are written: the
// time that it does nothing else.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, d := members(b, NewHub(), 1, n)
			for _, c := range p.conns {
				if err := p.hub.Join(c, "topic"); err != nil {
					b.Fatal(err)
				}
			}
			p.flush()
			m := Prepare(OpBinary, make([]byte, 125))
			room := p.hub.topics.find("topic").rooms[0]
			onLoopTimed(b, p, d, n*len(m.frame), func() { room.deliver(m, nil) })
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/member")
		})
	}
}

// BenchmarkMembership reports the heap that a connection in a hub takes, and each of its
// memberships when it has so many.
func BenchmarkMembership(b *testing.B) {
	for _, each := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			const n = 1000
			p := newParty(b, NewHub(), 1, n, WithKeepalive(0, 0))
			forAll := func(f func(*Conn) error) float64 {
				for _, c := range p.conns {
					if err := f(c); err != nil {
						b.Fatal(err)
					}
				}
				p.flush()
				return float64(heap())
			}
			apart := func(c *Conn) error { c.rare.Store(nil); return nil }
			join := func(c *Conn) (err error) {
				for k := range each {
					err = errors.Join(err, p.hub.Join(c, fmt.Sprint("topic ", k)))
				}
				return err
			}
			outside := forAll(apart)
			added := forAll(p.hub.Add)
			joined := forAll(join)
			runtime.KeepAlive(p)
			for b.Loop() {
			}
			b.ReportMetric((added-outside)/n, "B/conn")
			b.ReportMetric((joined-added)/n/float64(each), "B/membership")
		})
	}
}

// BenchmarkJoinLeave is a join and a leave of a topic with 10,000 members, on the loop.
func BenchmarkJoinLeave(b *testing.B) {
	for _, n := range []int{10, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newParty(b, NewHub(), 1, n)
			for _, c := range p.conns {
				p.hub.Join(c, "topic")
			}
			p.flush()
			onLoop(b, p.conns[0], func() error {
				for i := 0; b.Loop(); i++ {
					c := p.conns[i%n]
					p.hub.Leave(c, "topic")
					p.hub.Join(c, "topic")
				}
				return nil
			})
		})
	}
}
