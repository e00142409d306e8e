package ws

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// numbered is a message of n bytes that knows its place.
func numbered(i, n int) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, n), uint32(i)), strings.Repeat("x", n-4)...)
}

// sendNumbered sends message i, in each of the ways in turn.
func sendNumbered(c *Conn, i, n int) error {
	switch p := numbered(i, n); i % 3 {
	case 0:
		return c.SendPrepared(Prepare(OpBinary, p))
	default:
		err := c.Send(OpBinary, p)
		clear(p) // what waits has been copied
		return err
	}
}

// wantNumbered reads message i.
func (c *client) wantNumbered(i, n int) {
	c.t.Helper()
	c.want(ws.OpBinary, string(numbered(i, n)))
}

// holds is what a connection holds for its peer, in bytes.
func holds(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.tcp.OutputBytes()
	if r := c.rare.Load(); r != nil {
		n += r.backlog.bytes
	}
	return n
}

const slowLimit, slowSize = 256 << 10, 1000

// maxHeld is how much may be held with messages of size bytes: the message that finds
// the limit not yet passed is still sent, and over TLS what is encrypted already has
// grown by its records' headers and tags, the shortest of 1 KiB.
func maxHeld(limit, size int) int {
	if overTLS {
		limit += min(limit, 64<<10) >> 10 * 22
	}
	return limit + size
}

// slowPair is a connection whose peer does not read yet, of either side.
func slowPair(t *testing.T, m mode, policy SlowPolicy) (*Conn, *client, *recorder, *Stats) {
	t.Helper()
	stats := new(Stats)
	rec := newRecorder()
	c, peer := openPair(t, newLoop(t), newTestSide(m, rec, WithSendLimit(slowLimit, policy), WithStats(stats)))
	narrow(t, c)
	return c, peer, rec, stats
}

// fill sends numbered messages until one is refused, and returns the number of those
// that were not.
func fill(t *testing.T, c *Conn) int {
	t.Helper()
	for i := 0; ; i++ {
		switch err := sendNumbered(c, i, slowSize); {
		case errors.Is(err, ErrSlow):
			return i
		case err != nil || i > 100_000:
			t.Fatalf("message %d: %v", i, err)
		}
		if n := holds(c); n > maxHeld(slowLimit, slowSize+maxHeader) {
			t.Fatalf("%d bytes are held", n)
		}
	}
}

func TestCloseSlow(t *testing.T) {
	c, peer, rec, stats := slowPair(t, 0, CloseSlow)
	n := fill(t, c)
	if err := c.Send(OpText, nil); !errors.Is(err, ErrClosed) {
		t.Error("Send after ErrSlow:", err)
	}
	for i := range n {
		peer.wantNumbered(i, slowSize)
	}
	peer.want(ws.OpClose, "\x03\xf5too slow")
	peer.write(closing1(CodeTryAgainLater, "sorry"))
	peer.wantEOF()
	if got := wait(t, "OnClose", rec.closed); got.code != CodeTryAgainLater || got.reason != "sorry" {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	if stats.Slow.Load() != 1 || stats.Newest.Load() != 0 || stats.Oldest.Load() != 0 {
		t.Error("counters:", stats.Slow.Load(), stats.Newest.Load(), stats.Oldest.Load())
	}
}

// TestCloseSlowInHandler closes from inside OnMessage, on the loop.
func TestCloseSlowInHandler(t *testing.T) {
	c, peer, rec, _ := slowPair(t, 0, CloseSlow)
	accepted := make(chan int, 1)
	onLoop(t, c, func() int {
		rec.onMessage = func(c *Conn, _ Op, _ []byte) { accepted <- fill(t, c) }
		return 0
	})
	peer.write(join(text("go"), text("dropped")))
	for i := range wait(t, "refusal", accepted) {
		peer.wantNumbered(i, slowSize)
	}
	peer.want(ws.OpClose, "\x03\xf5too slow")
}

func TestDropNewest(t *testing.T) {
	c, peer, _, stats := slowPair(t, 0, DropNewest)
	n := fill(t, c)
	const more = 50
	for range more {
		if err := c.Send(OpText, []byte("dropped")); !errors.Is(err, ErrSlow) {
			t.Fatal(err)
		}
	}
	if got := stats.Newest.Load(); got != 1+more || stats.Slow.Load() != 0 {
		t.Errorf("%d were dropped, want %d", got, 1+more)
	}
	for i := range n {
		peer.wantNumbered(i, slowSize)
	}
	onLoop(t, c, func() int { return 0 }) // what the peer has is out of the output then
	if err := c.Send(OpText, []byte("again")); err != nil {
		t.Error("when the peer reads again:", err)
	}
	peer.want(ws.OpText, "again")
	peer.write(text("and back"))
	peer.want(ws.OpText, "and back")
}

func TestDropOldest(t *testing.T) {
	c, peer, _, stats := slowPair(t, 0, DropOldest)
	const n = 4000
	for i := range n {
		if err := sendNumbered(c, i, slowSize); err != nil {
			t.Fatal(err)
		}
		if held := holds(c); held > maxHeld(slowLimit, slowSize+maxHeader) {
			t.Fatalf("%d bytes are held", held)
		}
	}
	dropped := stats.Oldest.Load()
	got, last := int64(0), -1
	for last != n-1 {
		op, p, err := peer.frame()
		if err != nil || op != ws.OpBinary || len(p) != slowSize {
			t.Fatal(op, len(p), err)
		}
		i := int(binary.BigEndian.Uint32(p))
		if i <= last {
			t.Fatalf("%d after %d", i, last)
		}
		got, last = got+1, i
	}
	if got+dropped != n || dropped == 0 || stats.Oldest.Load() != dropped {
		t.Errorf("%d came, %d were dropped", got, dropped)
	}
	onLoop(t, c, func() int { return 0 })
	if err := c.Send(OpText, []byte("again")); err != nil {
		t.Error(err)
	}
	peer.want(ws.OpText, "again")
}

// TestSlowMemory: what is held stays within the limit, however small that is, but
// for the longest message; under DropOldest for two of them.
func TestSlowMemory(t *testing.T) {
	const limit, size = 2000, 500
	for _, policy := range []SlowPolicy{CloseSlow, DropNewest, DropOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			c, _ := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithSendLimit(limit, policy)))
			narrow(t, c)
			most := 0
			for i := range 5000 {
				if err := sendNumbered(c, i, size); err != nil && !errors.Is(err, ErrSlow) && !errors.Is(err, ErrClosed) {
					t.Fatal(err)
				}
				most = max(most, holds(c))
			}
			beyond := 1
			if policy == DropOldest {
				beyond = 2
			}
			if most > maxHeld(limit, beyond*(size+messageWeight)) {
				t.Errorf("%d bytes were held", most)
			}
		})
	}
}

// TestDropOldestKeepsOne: a message beyond the limit is still sent.
func TestDropOldestKeepsOne(t *testing.T) {
	c, peer, _, stats := slowPair(t, 0, DropOldest)
	for i := range 3 {
		if err := sendNumbered(c, i, 2*slowLimit); err != nil {
			t.Fatal(err)
		}
	}
	peer.wantNumbered(0, 2*slowLimit)
	peer.wantNumbered(2, 2*slowLimit)
	if got := stats.Oldest.Load(); got != 1 {
		t.Error("dropped:", got)
	}
}

// backlogged has messages wait behind output that nobody takes; none is dropped.
func backlogged(t *testing.T, c *Conn) (n int) {
	t.Helper()
	for c.rare.Load() == nil || onLoop(t, c, func() int { c.mu.Lock(); defer c.mu.Unlock(); return c.rare.Load().backlog.len() }) < 20 {
		if err := sendNumbered(c, n, slowSize); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestControlPassesBacklog: a pong does not wait behind messages that wait.
func TestControlPassesBacklog(t *testing.T) {
	c, peer, rec, stats := slowPair(t, 0, DropOldest)
	reached := make(chan struct{}, 1)
	onLoop(t, c, func() int {
		rec.onMessage = func(*Conn, Op, []byte) { reached <- struct{}{} }
		return 0
	})
	n := backlogged(t, c)
	peer.write(join(ping("now"), text("behind the ping")))
	wait(t, "OnMessage", reached)
	at := -1
	for i := 0; i < n; {
		op, p, err := peer.frame()
		if err != nil {
			t.Fatal(err)
		}
		if op == ws.OpPong && string(p) == "now" {
			at = i
			continue
		}
		if got := int(binary.BigEndian.Uint32(p)); op != ws.OpBinary || got != i {
			t.Fatalf("op %d, message %d, want %d", op, got, i)
		}
		i++
	}
	if at < 0 || at > n-20 {
		t.Errorf("pong after %d of %d messages", at, n)
	}
	if d := stats.Oldest.Load(); d != 0 {
		t.Error("dropped:", d)
	}
}

// TestCloseFlushesBacklog: what waits leaves before the close frame.
func TestCloseFlushesBacklog(t *testing.T) {
	c, peer, rec, _ := slowPair(t, 0, DropOldest)
	n := backlogged(t, c)
	if err := c.Close(4000, ""); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		peer.wantNumbered(i, slowSize)
	}
	peer.want(ws.OpClose, "\x0f\xa0")
	peer.write(closing1(4000, ""))
	peer.wantEOF()
	wait(t, "OnClose", rec.closed)
	if held := holds(c); held != 0 {
		t.Errorf("%d bytes are held behind the end", held)
	}
}

// TestPeerClosesBacklog: nothing is left of a backlog whose peer has gone.
func TestPeerClosesBacklog(t *testing.T) {
	c, peer, rec, _ := slowPair(t, 0, DropOldest)
	backlogged(t, c)
	peer.Close()
	if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal {
		t.Error(got.code, got.reason)
	}
	if held := onLoop(t, c, func() int { return holds(c) }); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
}

// TestBacklogIsNotForgotten has messages begin to wait at the very moment at which
// the output before them leaves.
func TestBacklogIsNotForgotten(t *testing.T) {
	c, peer := openPair(t, newLoop(t), newTestSide(0, newRecorder(), WithSendLimit(1<<20, DropOldest)))
	big := strings.Repeat("x", holdAt)
	for range 1000 {
		c.mu.Lock()
		c.rare.Store(nil) // as at first; nothing waits
		c.mu.Unlock()
		sent := make(chan error, 1)
		go func() {
			err := c.Send(OpBinary, []byte(big))
			// Until about when the loop is writing.
			for n := rand.IntN(20_000); n > 0 && c.tcp.PendingOutput(); n-- {
			}
			sent <- errors.Join(err, c.Send(OpText, []byte("small")))
		}()
		peer.want(ws.OpBinary, big)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		peer.want(ws.OpText, "small")
	}
}

// TestBacklogQueue holds the queue against a plain slice.
func TestBacklogQueue(t *testing.T) {
	var b backlog
	var model []int
	bytes, next := 0, 0
	for range 20_000 {
		if len(model) == 0 || rand.IntN(100) < 50 {
			n := rand.IntN(10)
			b.push(message{payload: numbered(next, 4+n)})
			model = append(model, next)
			bytes += 4 + n + messageWeight
			next++
		} else {
			m := b.pop()
			if got := int(binary.BigEndian.Uint32(m.payload)); got != model[0] {
				t.Fatalf("%d, want %d", got, model[0])
			}
			model = model[1:]
			bytes -= len(m.payload) + messageWeight
		}
		if b.len() != len(model) || b.bytes != bytes {
			t.Fatalf("%d messages of %d bytes, want %d of %d", b.len(), b.bytes, len(model), bytes)
		}
	}
}

func TestSlowPolicyString(t *testing.T) {
	for p, want := range map[SlowPolicy]string{CloseSlow: "close slow", DropNewest: "drop newest", DropOldest: "drop oldest", 9: "SlowPolicy(9)"} {
		if got := p.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
