package proxy

import (
	"errors"
	"strings"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// tunnel carries bytes between two connections of one loop that have left HTTP, such as the two halves of a WebSocket. Each
// side that ends its stream ends that of the other; the tunnel is over when both have. Loop goroutine only.
type tunnel struct {
	sides   [2]*reactor.TcpConnection
	timeout time.Duration
}

// switchProtocols hands both connections over, if the client has asked for what the upstream now speaks.
func (t *transfer) switchProtocols() error {
	l := t.link
	if t.head.upgrade == "" || !strings.EqualFold(string(l.parser.Field("Upgrade")), t.head.upgrade) {
		return errors.New("it switches to a protocol that nobody has asked for")
	}
	if err := t.copyFields(); err != nil {
		return err
	}
	c := t.relay.Ctx()
	if err := errors.Join(c.SetHeader("Upgrade", string(l.parser.Field("Upgrade"))), c.SetHeader("Connection", "Upgrade")); err != nil {
		return err
	}
	t.switching, t.finished = true, true
	t.link, l.user = nil, nil
	l.tcp.SetDeadline(0)
	l.tcp.StopRead() // until the client's side is there
	l.tcp.SetCallbacks(&reactor.Callbacks{Message: func(*reactor.TcpConnection, *reactor.Buffer) {}})
	opened := false
	t.relay.Upgrade(func(client *reactor.TcpConnection) {
		opened = true
		openTunnel(client, l.tcp, t.p.tunnelTimeout)
	})
	// The upgrade is made behind this, by the loop; where none comes, the client's connection has gone or the server is
	// shutting down.
	_ = t.pool.loop.QueueInLoop(func() {
		_ = t.pool.loop.QueueInLoop(func() {
			if !opened {
				l.tcp.ForceClose()
			}
		})
	})
	return nil
}

func openTunnel(client, upstream *reactor.TcpConnection, timeout time.Duration) {
	u := &tunnel{sides: [2]*reactor.TcpConnection{client, upstream}, timeout: timeout}
	for i, tcp := range u.sides {
		tcp.SetHighWaterPause(false)
		tcp.SetCallbacks(u.callbacks(i))
	}
	upstream.StartRead()
	if upstream.PeerClosed() || client.PeerClosed() || upstream.State() == reactor.Disconnected {
		u.ended()
	}
	u.wind(client)
}

func (u *tunnel) callbacks(i int) *reactor.Callbacks {
	other := u.sides[1-i]
	resume := func(*reactor.TcpConnection) { other.StartRead() }
	return &reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) { u.lost(other, tcp.Err()) },
		Message: func(tcp *reactor.TcpConnection, in *reactor.Buffer) {
			_ = other.Send(in.Peek()) // refused by a side that has ended, which ends the other
			in.RetrieveAll()
			if other.OutputBytes() > outputMark {
				tcp.StopRead()
			}
		},
		WriteComplete: resume,
		LowWater:      resume,
		HalfClose:     func(*reactor.TcpConnection) { other.CloseWrite() },
		Timeout:       u.idle,
		// A server that shuts down leaves the tunnel its time to end: to cut it would lose what is on its way.
		Drain: func(*reactor.TcpConnection) {},
	}
}

// ended passes on what had ended before the tunnel was opened.
func (u *tunnel) ended() {
	for i, tcp := range u.sides {
		if tcp.PeerClosed() || tcp.State() == reactor.Disconnected {
			u.sides[1-i].CloseWrite()
		}
	}
}

// lost ends the other side: behind what it was sent, or at once when this one was broken off.
func (u *tunnel) lost(other *reactor.TcpConnection, err error) {
	if err != nil {
		other.ForceClose()
		return
	}
	other.Shutdown()
}

// wind sets the client's deadline, which is that of both.
func (u *tunnel) wind(client *reactor.TcpConnection) {
	if u.timeout > 0 {
		client.SetDeadline(client.Loop().Now() + u.timeout)
	}
}

func (u *tunnel) idle(tcp *reactor.TcpConnection) {
	last := max(u.sides[0].LastActive(), u.sides[1].LastActive())
	if at := last + u.timeout; u.timeout > 0 && at > tcp.Loop().Now() {
		tcp.SetDeadline(at)
		return
	}
	tcp.ForceClose()
}
