package proxy

import (
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// pool keeps the connections of one loop to the upstreams. Loop goroutine only.
type pool struct {
	p    *proxy
	loop *reactor.EventLoop
	idle map[*upstream][]*link // the one that was used last is at the end
}

// poolOf returns the pool of a loop, on that loop.
func (p *proxy) poolOf(loop *reactor.EventLoop) *pool {
	if v, ok := p.pools.Load(loop); ok {
		return v.(*pool)
	}
	own := &pool{p: p, loop: loop, idle: make(map[*upstream][]*link)}
	p.pools.Store(loop, own)
	return own
}

// maxResponseHead bounds the head of a response, and its trailers, in bytes each.
const maxResponseHead = 64 << 10

// take returns an idle connection, nil when there is none. One that has begun to close, and has not yet said so, is none.
func (o *pool) take(u *upstream) *link {
	list := o.idle[u]
	for n := len(list); n > 0; n = len(list) {
		l := list[n-1]
		list[n-1] = nil
		list = list[:n-1]
		o.idle[u] = list
		if l.tcp.Connected() {
			l.tcp.SetDeadline(0)
			return l
		}
	}
	return nil
}

// put keeps a connection for the next request, or closes it.
func (o *pool) put(l *link) {
	if len(o.idle[l.up]) >= o.p.maxIdle {
		l.tcp.ForceClose()
		return
	}
	o.idle[l.up] = append(o.idle[l.up], l)
	l.tcp.SetDeadline(o.loop.Now() + o.p.keepAlive)
}

// forget takes a connection that is no more out of the idle ones.
func (o *pool) forget(l *link) {
	list := o.idle[l.up]
	for i, other := range list {
		if other == l {
			o.idle[l.up] = append(list[:i], list[i+1:]...)
			return
		}
	}
}

// dial begins a connection for t.
func (o *pool) dial(u *upstream, t *transfer) *link {
	l := &link{pool: o, up: u, user: t, parser: http.NewResponseParser(http.Limits{MaxHeader: maxResponseHead, MaxFields: 200})}
	cb := &reactor.Callbacks{
		Connection: l.connection, Message: l.message, HalfClose: l.halfClosed, Timeout: l.timeout,
		WriteComplete: l.writable, LowWater: l.writable,
	}
	opts := []reactor.ClientOption{reactor.WithClientName("proxy"), reactor.WithoutRetry(),
		reactor.WithConnectTimeout(o.p.connectTimeout),
		reactor.WithConnectFailed(func(err error, _ time.Duration) { l.connectFailed(err) })}
	if u.tls != nil {
		opts = append(opts, reactor.WithClientTLS(u.tls))
	}
	l.client = reactor.NewTcpClient(o.loop, u.addr, cb, opts...)
	if err := l.client.Connect(); err != nil {
		_ = o.loop.QueueInLoop(func() { l.connectFailed(err) }) // refused by a loop that has quit as well
	}
	return l
}

// link is one connection to an upstream. It is used by one transfer at a time, or idle. Loop goroutine only.
type link struct {
	pool   *pool
	up     *upstream
	client *reactor.TcpClient
	tcp    *reactor.TcpConnection
	parser *http.ResponseParser
	user   *transfer // nil while it is idle
	served int       // responses that were whole
}

func (l *link) connection(tcp *reactor.TcpConnection) {
	if tcp.Connected() {
		l.tcp = tcp
		tcp.SetHighWaterPause(false) // what fills its output is the client's, which is paused
		if l.user == nil {
			tcp.ForceClose()
			return
		}
		l.user.connected()
		return
	}
	l.pool.forget(l)
	if t := l.user; t != nil {
		l.user = nil
		t.linkLost(l, tcp.Err())
	}
}

func (l *link) connectFailed(err error) {
	if t := l.user; t != nil {
		l.user = nil
		t.connectFailed(l, err)
	}
}

// message is given what the upstream sends. Without a request it has nothing to say: what it says would be taken for the answer
// to the next.
func (l *link) message(tcp *reactor.TcpConnection, in *reactor.Buffer) {
	if l.user == nil {
		l.pool.forget(l) // now: a request that comes before it is gone must not be given it
		tcp.ForceClose()
		return
	}
	l.user.receive(in)
}

func (l *link) halfClosed(tcp *reactor.TcpConnection) {
	if l.user == nil {
		l.pool.forget(l)
		tcp.ForceClose()
		return
	}
	l.user.upstreamEnded()
}

func (l *link) timeout(tcp *reactor.TcpConnection) {
	if l.user == nil {
		l.pool.forget(l)
		tcp.ForceClose()
		return
	}
	l.user.timeout()
}

func (l *link) writable(*reactor.TcpConnection) {
	if l.user != nil {
		l.user.writable()
	}
}

// drop closes a connection whose state is not that of an idle one.
func (l *link) drop() {
	l.user = nil
	if l.tcp != nil {
		l.tcp.ForceClose()
		return
	}
	_ = l.client.Stop() // a loop that has quit has stopped it
}
