package ws

import (
	"log/slog"
	"sync"

	"github.com/carillon-go/carillon/reactor"
)

// side is what all connections of one Endpoint, or of one Dial, have in common.
type side struct {
	config
	mode      mode // of the frames that arrive
	handler   Handler
	fragments FragmentHandler // handler, when it is one
	callbacks reactor.Callbacks
	client    *Client  // of a Dial
	shards    sync.Map // *reactor.EventLoop to its *shard
}

// shard is what the connections of a side that live on one loop have in common.
// It belongs to that loop.
type shard struct {
	*side
	loop  *reactor.EventLoop
	wheel *wheel // nil: no keepalive
}

func newSide(c config, m mode, h Handler) *side {
	s := &side{config: c, mode: m, handler: h}
	s.fragments, _ = h.(FragmentHandler)
	if s.stats == nil {
		s.stats = new(Stats)
	}
	s.callbacks = reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if !tcp.Connected() {
				of(tcp).lost(tcp.Err())
				if s.client != nil {
					s.client.loop.letGo()
				}
			}
		},
		Message:       func(tcp *reactor.TcpConnection, in *reactor.Buffer) { of(tcp).read(in) },
		HighWater:     func(tcp *reactor.TcpConnection, _ int) { of(tcp).highWater() },
		LowWater:      func(tcp *reactor.TcpConnection) { of(tcp).outputLeft() },
		WriteComplete: func(tcp *reactor.TcpConnection) { of(tcp).outputLeft() },
		HalfClose:     func(tcp *reactor.TcpConnection) { of(tcp).halfClosed() },
		Timeout:       func(tcp *reactor.TcpConnection) { of(tcp).closeTimeout() },
		Drain:         func(tcp *reactor.TcpConnection) { of(tcp).drain() },
	}
	return s
}

// of is the Conn that has served tcp since open.
func of(tcp *reactor.TcpConnection) *Conn { return tcp.Context().(*Conn) }

func (s *side) log() *slog.Logger {
	if s.logger != nil {
		return s.logger
	}
	return slog.Default()
}

// shard returns what belongs to loop. Its goroutine only.
func (s *side) shard(loop *reactor.EventLoop) *shard {
	if v, ok := s.shards.Load(loop); ok {
		return v.(*shard)
	}
	sh := &shard{side: s, loop: loop}
	if s.pingAfter > 0 {
		sh.wheel = newWheel(loop, s.pingAfter, s.pongWithin)
	}
	s.shards.Store(loop, sh)
	return sh
}

// terms are what an opening handshake came to.
type terms struct {
	subprotocol string
	value       any // of Conn.Value
	deflate     *deflateParams
}

// open takes a connection over from HTTP, on its loop.
func (s *side) open(tcp *reactor.TcpConnection, a terms) *Conn {
	c := &Conn{
		tcp: tcp, shard: s.shard(tcp.Loop()),
		dec:      decoder{limits: &s.limits, mode: s.mode, pieces: s.fragments != nil},
		lastRead: tcp.Loop().Now(), subprotocol: a.subprotocol, value: a.value,
	}
	if a.deflate != nil {
		c.deflate = newDeflation(s.deflate, *a.deflate)
		c.dec.mode |= compressed
	}
	tcp.SetContext(c)
	tcp.SetCallbacks(&s.callbacks)
	s.stats.Opened.Add(1)
	if w := c.shard.wheel; w != nil {
		w.add(c, w.pingAt(c.lastRead, s.pingAfter))
	}
	if s.client != nil {
		s.client.opened(c)
	}
	c.guard(func() { s.handler.OnOpen(c) })
	return c
}
