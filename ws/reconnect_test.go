package ws

import (
	"context"
	"errors"
	"net"
	stdhttp "net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const soon = time.Millisecond

// failures has a test see the attempts that failed.
func failures() (DialOption, chan error) {
	errs := make(chan error, 10000)
	return WithConnectFailed(func(err error, retryIn time.Duration) {
		select {
		case errs <- err:
		default:
		}
	}), errs
}

// TestReconnect: the server is killed and comes back, on the same port; the client
// notices, tries, and subscribes again.
func TestReconnect(t *testing.T) {
	first := newKillable(t, "127.0.0.1:0")
	in := newInbox()
	in.onOpen = func(c *Conn) {
		if c.Client().Connections() == 1 {
			c.Send(OpText, []byte("subscribe"))
		} else {
			c.Send(OpText, []byte("subscribe again"))
		}
	}
	failed, errs := failures()
	c := dialed(t, "ws://"+first.addr, in, WithReconnect(soon, 20*soon), failed)
	if got := wait(t, "echo", in.messages); got != "subscribe" {
		t.Error(got)
	}
	wait(t, "OnOpen", in.opened)
	for range 3 {
		first.kill()
		if got := wait(t, "OnClose", in.closed); got.code != CodeAbnormal {
			t.Errorf("OnClose got %v %q", got.code, got.reason)
		}
		wait(t, "an attempt that fails", errs)
		wait(t, "another", errs)
		if c.Conn() != nil || c.Err() != nil {
			t.Error(c.Conn(), c.Err())
		}
		if err := c.Send(OpText, nil); !errors.Is(err, ErrNotConnected) {
			t.Error(err)
		}
		first = newKillable(t, first.addr)
		wait(t, "OnOpen", in.opened)
		if got := wait(t, "echo", in.messages); got != "subscribe again" {
			t.Error(got)
		}
	}
	if c.Connections() != 4 {
		t.Error(c.Connections())
	}
}

// killable is an echo server that can be killed without a word.
type killable struct {
	addr  string
	l     net.Listener
	conns chan net.Conn
}

func newKillable(t *testing.T, addr string) *killable {
	l := listen(t, addr)
	k := &killable{l.Addr().String(), l, make(chan net.Conn, 100)}
	scriptOn(t, l, func(p *peer) {
		k.conns <- p.Conn
		var err error
		if p.req, err = stdhttp.ReadRequest(p.r); err == nil {
			p.send(p.good(""))
			p.serveEcho()
		}
	})
	return k
}

func (k *killable) kill() {
	k.l.Close()
	for {
		select {
		case c := <-k.conns:
			tcpOf(c).SetLinger(0)
			tcpOf(c).Close()
		default:
			return
		}
	}
}

// TestReconnectByCode: which close codes are followed by another connection.
func TestReconnectByCode(t *testing.T) {
	for code, again := range map[Code]bool{
		CodeNormalClosure: false, CodeNoStatus: false, CodeProtocolError: false, CodePolicyViolation: false, 4000: false,
		CodeGoingAway: true, CodeInternalError: true, CodeServiceRestart: true, CodeTryAgainLater: true, CodeBadGateway: true,
	} {
		var connections atomic.Int32
		answered := make(chan struct{})
		addr := script(t, func(p *peer) {
			p.send(p.good(""))
			if connections.Add(1) == 1 {
				p.Write(closeFromServer(code, ""))
				p.wantClose(code)
				close(answered)
				return
			}
			p.serveEcho()
		})
		rec := newRecorder()
		c := dialed(t, "ws://"+addr, rec, WithReconnect(soon, soon))
		if got := wait(t, "OnClose", rec.closed); got.code != code {
			t.Errorf("OnClose got %v", got.code)
		}
		wait(t, "OnOpen", rec.opened)
		wait(t, "close frame", answered)
		if again {
			wait(t, "second OnOpen", rec.opened)
			continue
		}
		wait(t, "end of the client", c.Done())
		if !errors.Is(c.Err(), &CloseError{Code: code}) || connections.Load() != 1 {
			t.Error(code, c.Err(), connections.Load())
		}
	}
}

// TestReconnectByStatus: which refusals are final.
func TestReconnectByStatus(t *testing.T) {
	for status, again := range map[int]bool{
		200: false, 301: false, 400: false, 401: false, 403: false, 404: false, 426: false, 101: false,
		408: true, 425: true, 429: true, 500: true, 502: true, 503: true,
	} {
		var asked atomic.Int32
		addr := script(t, func(p *peer) {
			if asked.Add(1) < 3 {
				resp := stdhttp.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: p.req}
				resp.Write(p)
				return
			}
			p.send(p.good(""))
			p.serveEcho()
		})
		failed, errs := failures()
		opts := []DialOption{WithReconnect(soon, soon), failed}
		if again {
			dialed(t, "ws://"+addr, NopHandler{}, opts...)
		} else if err := refusedBy(t, "ws://"+addr, opts...); asked.Load() != 1 {
			t.Errorf("%d: asked %d times, %v", status, asked.Load(), err)
		}
		var refused *HandshakeError
		if err := wait(t, "failure", errs); !errors.As(err, &refused) || refused.Status != status {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestReconnectRefused: a refusal ends also a client that had a connection.
func TestReconnectRefused(t *testing.T) {
	var asked atomic.Int32
	addr := script(t, func(p *peer) {
		if asked.Add(1) > 1 {
			p.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
			return
		}
		p.send(p.good(""))
	})
	c := dialed(t, "ws://"+addr, NopHandler{}, WithReconnect(soon, soon))
	wait(t, "end of the client", c.Done())
	var refused *HandshakeError
	if !errors.As(c.Err(), &refused) || refused.Status != 401 {
		t.Error(c.Err())
	}
}

// TestDialKeepsTrying: with WithReconnect the first connection may take its time, and
// ctx ends that.
func TestDialKeepsTrying(t *testing.T) {
	gone := listen(t, "127.0.0.1:0")
	addr := gone.Addr().String()
	gone.Close()
	failed, errs := failures()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, "ws://"+addr, NopHandler{}, WithReconnect(soon, soon), failed)
		result <- err
	}()
	for range 3 {
		wait(t, "failure", errs)
	}
	cancel()
	if err := wait(t, "end of Dial", result); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := refusedBy(t, "ws://"+addr); errors.Is(err, context.DeadlineExceeded) {
		t.Error("without WithReconnect:", err)
	}
}

// TestCloseBetweenConnections: Close ends the wait for the next attempt, and the
// attempt itself.
func TestCloseBetweenConnections(t *testing.T) {
	for _, c := range []struct {
		name  string
		least time.Duration
		again func(*peer)
	}{
		{"while it waits", time.Hour, func(p *peer) {}},
		{"while it connects", soon, func(p *peer) { p.waitEOF() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			second := make(chan struct{}, 1)
			addr := script(t, func(p *peer) {
				if asked.Add(1) == 1 {
					p.send(p.good(""))
					return
				}
				second <- struct{}{}
				c.again(p)
			})
			rec := newRecorder()
			client := dialed(t, "ws://"+addr, rec, WithReconnect(c.least, time.Hour))
			wait(t, "OnClose", rec.closed)
			if c.least == soon {
				wait(t, "second attempt", second)
			}
			if err := client.Close(CodeNormalClosure, ""); err != nil {
				t.Error(err)
			}
			wait(t, "end of the client", client.Done())
			if !errors.Is(client.Err(), ErrClosed) {
				t.Error(client.Err())
			}
		})
	}
}

// TestCloseFromOnOpen: a handler may end the client from where it is.
func TestCloseFromOnOpen(t *testing.T) {
	addr := start(t, newRecorder())
	rec := newRecorder()
	rec.onOpen = func(c *Conn) { c.Client().Close(4009, "changed my mind") }
	c := dialed(t, "ws://"+addr, rec, WithReconnect(soon, soon))
	wait(t, "end of the client", c.Done())
	if !errors.Is(c.Err(), &CloseError{Code: 4009}) || c.Connections() != 1 {
		t.Error(c.Err(), c.Connections())
	}
}

// TestClientPanics: a handler's panic costs its connection; with WithReconnect there
// is another.
func TestClientPanics(t *testing.T) {
	addr := start(t, newRecorder())
	log, lines := newLog()
	rec := newRecorder()
	rec.onOpen = func(c *Conn) {
		if c.Client().Connections() == 1 {
			panic("at first")
		}
	}
	dialed(t, "ws://"+addr, rec, WithReconnect(soon, soon), WithLogger(log))
	if got := wait(t, "OnClose", rec.closed); got.code != CodeInternalError {
		t.Errorf("OnClose got %v", got.code)
	}
	wait(t, "log", lines)
	wait(t, "OnOpen", rec.opened)
}

// TestClientKeepalive: a server that is silent for good is given up, and replaced.
func TestClientKeepalive(t *testing.T) {
	var connections atomic.Int32
	addr := script(t, func(p *peer) {
		p.send(p.good(""))
		if connections.Add(1) > 1 {
			p.serveEcho()
			return
		}
		p.want(ws.OpPing, "")
		p.waitEOF()
	})
	rec := newRecorder()
	dialed(t, "ws://"+addr, rec, WithKeepalive(40*time.Millisecond, 200*time.Millisecond), WithReconnect(soon, soon))
	if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal || got.reason != errNoPong.Error() {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	wait(t, "OnOpen", rec.opened)
	wait(t, "second OnOpen", rec.opened)
}
