package ws

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// inLoop runs f on loop and waits for it.
func inLoop(t testing.TB, loop *reactor.EventLoop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if err := loop.QueueInLoop(func() { defer close(done); f() }); err != nil {
		t.Fatal(err)
	}
	wait(t, "turn of the loop", done)
}

// check holds everything about w against what should be in it, each with its time.
func (w *wheel) check(t *testing.T, in map[*Conn]time.Duration) {
	t.Helper()
	found := 0
	for i, s := range w.slots {
		if (len(s) > 0) != (w.occupied>>i&1 == 1) {
			t.Fatalf("slot %d has %d, occupied %b", i, len(s), w.occupied)
		}
		for j, e := range s {
			if at, ok := in[e.conn]; !ok || at != e.due || int(e.conn.spoke) != i || int(e.conn.place) != j {
				t.Fatalf("slot %d, %d: due %v, want %v, %v; it knows %d, %d", i, j, e.due, at, ok, e.conn.spoke, e.conn.place)
			}
			found++
		}
	}
	if found != len(in) {
		t.Fatalf("%d are there, want %d", found, len(in))
	}
	if found > 0 && !w.timer.Valid() {
		t.Fatal("no timer runs")
	}
}

// TestWheelKeepsAll adds and removes at random while the wheel turns: each connection
// stays in its place, however often it hops because it is due beyond what the wheel
// sees.
func TestWheelKeepsAll(t *testing.T) {
	loop := newLoop(t)
	w := newWheel(loop, 8*time.Millisecond, 8*time.Millisecond)
	if w.tick != time.Millisecond {
		t.Fatal(w.tick)
	}
	in := map[*Conn]time.Duration{}
	first := loopNow(t, loop)
	for {
		var now time.Duration
		inLoop(t, loop, func() {
			for range 20 {
				if c := anyOf(in); c != nil && rand.IntN(5) < 2 {
					w.remove(c)
					w.remove(c) // does nothing
					delete(in, c)
				} else if len(in) < 300 {
					c := &Conn{place: nowhere}
					in[c] = loop.Now() + time.Hour + time.Duration(rand.IntN(1e9))
					w.add(c, in[c])
				}
				w.check(t, in)
			}
			now = loop.Now()
		})
		if now-first > 4*wheelSlots*w.tick {
			break
		}
	}
	inLoop(t, loop, func() {
		for c := range in {
			w.remove(c)
			delete(in, c)
			w.check(t, in)
		}
		for _, s := range w.slots {
			if s != nil {
				t.Fatal("an empty slot holds memory")
			}
		}
	})
}

func anyOf(m map[*Conn]time.Duration) *Conn {
	for c := range m {
		return c
	}
	return nil
}

func loopNow(t testing.TB, loop *reactor.EventLoop) (now time.Duration) {
	t.Helper()
	inLoop(t, loop, func() { now = loop.Now() })
	return now
}

// TestWheelWakesForSomebody: the timer is for the next tick that has a connection,
// across the wheel's end too, and there is none when the wheel is empty.
func TestWheelWakesForSomebody(t *testing.T) {
	loop := newLoop(t)
	w := newWheel(loop, 8*time.Second, 8*time.Second)
	in := func(ticks int64) time.Duration { return loop.Now() + time.Duration(ticks)*w.tick }
	tick := func() int64 { return int64(loop.Now() / w.tick) }
	inLoop(t, loop, func() {
		a, b, c := &Conn{place: nowhere}, &Conn{place: nowhere}, &Conn{place: nowhere}
		w.add(a, in(50))
		if w.armedFor != tick()+50 {
			t.Errorf("armed for %d ticks", w.armedFor-tick())
		}
		w.add(b, in(1000)) // beyond: looked at again in the last tick that the wheel sees
		if w.armedFor != tick()+50 {
			t.Errorf("armed for %d ticks", w.armedFor-tick())
		}
		w.add(c, in(3))
		if w.armedFor != tick()+3 {
			t.Errorf("armed for %d ticks", w.armedFor-tick())
		}
		w.remove(c)
		loop.Cancel(w.timer)
		w.turn() // as the timer does
		if w.armedFor != tick()+50 {
			t.Errorf("armed for %d ticks, with nobody before 50", w.armedFor-tick())
		}
		w.remove(a)
		loop.Cancel(w.timer)
		w.turn()
		if w.armedFor != tick()+wheelSlots-1 {
			t.Errorf("armed for %d ticks, with somebody far away", w.armedFor-tick())
		}
		w.remove(b)
		loop.Cancel(w.timer)
		w.turn()
		if w.timer.Valid() {
			t.Error("an empty wheel wakes the loop")
		}
	})
}

// TestWheelLateTimer adds a connection in the turn of the loop in which the timer for
// another is due but has not run: the other must not wait for a whole round.
func TestWheelLateTimer(t *testing.T) {
	loop := newLoop(t)
	w := newWheel(loop, time.Second, 16*time.Millisecond)
	s := newTestSide(0, newRecorder(), WithKeepalive(0, 0))
	conn, peer := openPair(t, loop, s)
	other := &Conn{place: nowhere}
	looked := make(chan struct{})
	inLoop(t, loop, func() {
		// What arrives is handled before timers are: see EventLoop.
		s.callbacks.Message = func(_ *reactor.TcpConnection, in *reactor.Buffer) {
			in.RetrieveAll()
			if int64(loop.Now()/w.tick) < w.armedFor {
				t.Error("the timer is not late")
			}
			w.add(other, loop.Now()+time.Hour)
			if w.armedFor > int64(loop.Now()/w.tick) {
				t.Errorf("armed for %d ticks later", w.armedFor-int64(loop.Now()/w.tick))
			}
			close(looked)
		}
		conn.shard.wheel, conn.shard.pingAfter, conn.shard.pongWithin = w, time.Second, 16*time.Millisecond
		conn.lastRead = loop.Now() - 2*time.Second // long due
		w.add(conn, loop.Now()+w.tick)
		peer.write([]byte("x"))
		for began := time.Now(); time.Since(began) < 3*w.tick; { // what a slow handler does
		}
	})
	wait(t, "Message", looked)
	peer.want(ws.OpPing, "")
	inLoop(t, loop, func() { w.remove(conn); w.remove(other) })
}

// TestWheelPingsBeyondItsSpan: with a wait for pongs that is much shorter than the
// one before pings, these come far beyond what the wheel sees, and not early by more
// than two ticks.
func TestWheelPingsBeyondItsSpan(t *testing.T) {
	const idle, within = 300 * time.Millisecond, 8 * time.Millisecond
	began := time.Now() // before lastRead
	stats := new(Stats)
	c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithKeepalive(idle, within), WithStats(stats)))
	tick := onLoop(t, c, func() time.Duration { return c.shard.wheel.tick })
	if span := tick * wheelSlots; span > idle/3 {
		t.Fatal("the wheel sees far enough:", span)
	}
	peer.want(ws.OpPing, "")
	if took := time.Since(began); took < idle-2*tick {
		t.Error("pinged after", took)
	}
	if _, _, err := peer.frame(); err == nil {
		t.Error("not closed")
	}
	if stats.Dead.Load() != 1 {
		t.Error("dead:", stats.Dead.Load())
	}
}

// clock pings, by a connection whose peer answers: an event for each idle time.
func clock(t *testing.T, loop *reactor.EventLoop, s *side) func(n int) {
	t.Helper()
	_, peer := openPair(t, loop, s)
	return func(n int) {
		t.Helper()
		for range n {
			peer.want(ws.OpPing, "")
			peer.write(pong(""))
		}
	}
}

// TestWheelWaitsForPong: a peer that has much time for its pong is pinged once
// meanwhile, and again when it has answered.
func TestWheelWaitsForPong(t *testing.T) {
	const idle, within = 16 * time.Millisecond, time.Minute
	loop := newLoop(t)
	s := newTestSide(0, newRecorder(), WithKeepalive(idle, within))
	c, peer := openPair(t, loop, s)
	tick := clock(t, loop, s)
	peer.want(ws.OpPing, "")
	tick(10)
	if err := c.Send(OpText, []byte("no ping before this")); err != nil {
		t.Fatal(err)
	}
	peer.want(ws.OpText, "no ping before this")
	peer.write(pong(""))
	peer.want(ws.OpPing, "")
}

// TestWheelManyAtOnce has many connections due in the same tick: those that answer
// live, the others are found dead, each once.
func TestWheelManyAtOnce(t *testing.T) {
	const peers = 100
	rec, stats := newRecorder(), new(Stats)
	loop := newLoop(t)
	s := newTestSide(0, rec, WithKeepalive(40*time.Millisecond, time.Minute), WithStats(stats))
	conns, all := make([]*Conn, peers), make([]*client, peers)
	for i := range peers {
		conns[i], all[i] = openPair(t, loop, s)
	}
	inLoop(t, loop, func() {
		for _, c := range conns { // in one tick
			w := c.shard.wheel
			w.remove(c)
			c.pinged, c.lastRead = false, loop.Now()-time.Second
			w.add(c, loop.Now())
		}
	})
	for i, peer := range all {
		peer.want(ws.OpPing, "")
		if i%2 == 0 {
			peer.write(pong(""))
		}
	}
	inLoop(t, loop, func() {
		for i, c := range conns {
			if i%2 == 1 { // time passes
				w := c.shard.wheel
				w.remove(c)
				w.add(c, loop.Now())
				c.pinged = true
			}
		}
	})
	for range peers / 2 {
		if got := wait(t, "OnClose", rec.closed); got.reason != errNoPong.Error() {
			t.Error(got.code, got.reason)
		}
	}
	if n := stats.Dead.Load(); n != peers/2 {
		t.Errorf("%d are dead", n)
	}
	for i, peer := range all {
		if i%2 == 0 {
			peer.write(text("alive"))
			for op := ws.OpPing; op == ws.OpPing; { // perhaps again meanwhile
				var p []byte
				var err error
				if op, p, err = peer.frame(); err != nil || op != ws.OpPing && string(p) != "alive" {
					t.Fatal(op, p, err)
				}
			}
		}
	}
	if n := len(rec.closed); n > 0 {
		t.Errorf("%d of those that answered are closed", n)
	}
}

// TestWheelLosesWhoEnds: a connection that ends is out, and in the wheel of nobody.
func TestWheelLosesWhoEnds(t *testing.T) {
	for side, m := range modes {
		t.Run(side, func(t *testing.T) {
			rec := newRecorder()
			loop := newLoop(t)
			s := newTestSide(m, rec, WithKeepalive(time.Minute, time.Minute))
			c, peer := openPair(t, loop, s)
			onLoop(t, c, func() int { c.pinged = true; return 0 })
			peer.write(cut{fin: true, op: ws.OpClose, unmasked: m == fromServer}.bytes())
			wait(t, "OnClose", rec.closed)
			// A client waits for the server to close first; what comes until then is
			// no sign of life.
			peer.write(cut{fin: true, op: ws.OpPong, unmasked: m == fromServer}.bytes())
			closeWriting(peer.Conn)
			peer.readAll()
			inLoop(t, loop, func() { c.shard.wheel.check(t, nil) })
		})
	}
}
