package ws

import (
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// listener wants to hear of a connection's end.
type listener struct {
	name string
	log  *[]string
	then func(*Conn)
}

func (l *listener) connEnded(c *Conn) {
	*l.log = append(*l.log, l.name)
	if l.then != nil {
		l.then(c)
	}
}

// TestAttach: whoever is attached hears of the end on the loop, once, before OnClose,
// and may detach then; who was detached does not, and afterwards nobody can attach.
func TestAttach(t *testing.T) {
	rec := newRecorder()
	var log []string
	a := &listener{name: "a", log: &log, then: func(c *Conn) {
		if !c.Loop().IsInLoopThread() {
			t.Error("not on the loop")
		}
		c.Value() // no lock is held
	}}
	b := &listener{name: "b", log: &log, then: a.then}
	gone := &listener{name: "gone", log: &log}
	b.then = func(c *Conn) {
		c.detach(b)
		if c.attach(gone) {
			t.Error("attached at the end")
		}
	}
	rec.onClose = func(*Conn, Code, string) { log = append(log, "OnClose") }
	c, peer := openPair(t, newLoop(t), newTestSide(0, rec))
	onLoop(t, c, func() int {
		for _, l := range []*listener{a, gone, b} {
			if !c.attach(l) {
				t.Error("not attached:", l.name)
			}
		}
		c.detach(gone)
		c.detach(gone) // is not there
		return 0
	})
	peer.write(closing1(1000, ""))
	peer.wantClose(1000)
	wait(t, "OnClose", rec.closed)
	got := onLoop(t, c, func() []string {
		if c.attach(gone) {
			t.Error("attached to what is gone")
		}
		return log
	})
	if !slices.Equal(got, []string{"a", "b", "OnClose"}) {
		t.Error(got)
	}
}

// TestConnAfterEnd: what may be called at any time may be called when it is over.
func TestConnAfterEnd(t *testing.T) {
	rec := newRecorder()
	c, peer := openPair(t, newLoop(t), newTestSide(0, rec))
	c.SetValue("kept")
	addr := c.RemoteAddr()
	peer.Close()
	wait(t, "OnClose", rec.closed)
	if c.Value() != "kept" || c.RemoteAddr() != addr || c.Subprotocol() != "" || c.Loop() == nil {
		t.Error(c.Value(), c.RemoteAddr(), c.Subprotocol(), c.Loop())
	}
	if err := c.Send(ws.OpText, nil); err == nil {
		t.Error("Send: no error")
	}
}
