package ws

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// fragments is a recorder that takes messages in pieces.
type fragments struct {
	*recorder
	onFragment func(c *Conn, op Op, p []byte, last bool)
}

func (h *fragments) OnFragment(c *Conn, op Op, p []byte, last bool) { h.onFragment(c, op, p, last) }

// fragmentCall is one call of OnFragment.
type fragmentCall struct {
	op   Op
	p    string
	last bool
}

// recordFragments serves a FragmentHandler and returns its calls. OnMessage is an error.
func recordFragments(t *testing.T, opts ...EndpointOption) (addr string, rec *recorder, got chan fragmentCall) {
	t.Helper()
	h := &fragments{recorder: newRecorder()}
	got = make(chan fragmentCall, 10_000)
	h.onMessage = func(_ *Conn, _ Op, p []byte) { t.Errorf("OnMessage %q", p) }
	h.onFragment = func(_ *Conn, op Op, p []byte, last bool) { got <- fragmentCall{op, string(p), last} }
	return start(t, h, opts...), h.recorder, got
}

// TestFragments sends step by step, and looks at what comes out at each.
func TestFragments(t *testing.T) {
	type step struct {
		send []byte
		want []fragmentCall
	}
	long := text(strings.Repeat("x", 100))
	for name, steps := range map[string][]step{
		"a whole message is one piece": {
			{text("abc"), []fragmentCall{{OpText, "abc", true}}},
			{binary1("\xff"), []fragmentCall{{OpBinary, "\xff", true}}},
			{text(""), []fragmentCall{{OpText, "", true}}},
		},
		"a frame in two parts": {
			{long[:50], []fragmentCall{{OpText, strings.Repeat("x", 44), false}}},
			{long[50:], []fragmentCall{{OpText, strings.Repeat("x", 56), true}}},
		},
		"fragments": {
			{more(ws.OpBinary, "a"), []fragmentCall{{OpBinary, "a", false}}},
			{cont("b"), []fragmentCall{{OpBinary, "b", false}}},
			{last("c"), []fragmentCall{{OpBinary, "c", true}}},
		},
		"an empty last fragment": {
			{more(ws.OpText, "a"), []fragmentCall{{OpText, "a", false}}},
			{last(""), []fragmentCall{{OpText, "", true}}},
		},
		"empty fragments in between are no pieces": {
			{join(more(ws.OpText, ""), cont(""), cont("a"), cont("")), []fragmentCall{{OpText, "a", false}}},
			{last("b"), []fragmentCall{{OpText, "b", true}}},
		},
		"a text cut in a character": {
			{more(ws.OpText, "κ\xcf"), []fragmentCall{{OpText, "κ\xcf", false}}},
			{last("\x83με"), []fragmentCall{{OpText, "\x83με", true}}},
		},
		"two messages behind a piece": {
			{more(ws.OpText, "a"), []fragmentCall{{OpText, "a", false}}},
			{join(last("b"), text("c"), binary1("d")), []fragmentCall{{OpText, "b", true}, {OpText, "c", true}, {OpBinary, "d", true}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _, got := recordFragments(t)
			c := dial(t, addr)
			for i, s := range steps {
				c.write(s.send)
				for _, want := range s.want {
					if p := wait(t, "piece", got); p != want {
						t.Fatalf("step %d: %+v, want %+v", i, p, want)
					}
				}
			}
			c.write(ping("all"))
			c.want(ws.OpPong, "all")
			if n := len(got); n > 0 {
				t.Errorf("%d pieces too much: %+v", n, <-got)
			}
		})
	}
}

// TestFragmentsControl: control frames between fragments are answered at once.
func TestFragmentsControl(t *testing.T) {
	addr, rec, got := recordFragments(t)
	c := dial(t, addr)
	c.write(join(more(ws.OpText, "a"), ping("p")))
	c.want(ws.OpPong, "p")
	if p := wait(t, "piece", got); p != (fragmentCall{OpText, "a", false}) {
		t.Fatal(p)
	}
	c.write(join(cont("b"), closing1(4000, "in between"), last("too late")))
	c.wantClose(4000)
	if p := wait(t, "piece", got); p != (fragmentCall{OpText, "b", false}) {
		t.Fatal(p)
	}
	if e := wait(t, "OnClose", rec.closed); e.code != 4000 || e.reason != "in between" {
		t.Error(e.code, e.reason)
	}
	if n := len(got); n > 0 {
		t.Errorf("%d pieces behind the close frame", n)
	}
}

// TestFragmentsViolations: what is wrong is found at once, also in the middle of a
// frame, and what came before it in the same message was delivered.
func TestFragmentsViolations(t *testing.T) {
	for _, c := range []struct {
		name string
		send []byte
		code Code
	}{
		{"not UTF-8 in the middle of a frame", text("good \xff" + strings.Repeat("x", 1000))[:100], 1007},
		{"not UTF-8 in the second fragment", join(more(ws.OpText, "good"), cont("\xff")), 1007},
		{"cut off in a character", join(more(ws.OpText, "good\xce"), last("")), 1007},
		{"too big, announced only", join(more(ws.OpText, "good"), cut{announce: 1017}.bytes()), 1009},
		{"too many fragments", join(more(ws.OpText, "good"), bytes.Repeat(cont(""), 20)), 1008},
		{"another message inside", join(more(ws.OpText, "good"), text("x")), 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, rec, got := recordFragments(t, WithMaxMessage(1020), WithMaxFragments(10))
			conn := dial(t, addr)
			conn.write(c.send)
			conn.wantClose(c.code)
			if e := wait(t, "OnClose", rec.closed); e.code != c.code {
				t.Error(e.code, e.reason)
			}
			for len(got) > 0 {
				if p := <-got; p.last || !strings.HasPrefix(p.p, "good") {
					t.Errorf("%+v was delivered", p)
				}
			}
			conn = dial(t, addr)
			conn.write(text("still there?"))
			if p := wait(t, "piece", got); p != (fragmentCall{OpText, "still there?", true}) {
				t.Error(p)
			}
		})
	}
}

// TestFragmentsHuge sends messages of 80 MiB, one in a single frame and one in many,
// of which never more than what one read brings is in memory.
func TestFragmentsHuge(t *testing.T) {
	const size = 80 << 20
	h := &fragments{recorder: newRecorder()}
	sum, total, done := fnv.New64a(), 0, make(chan string, 1)
	most := 0
	h.onFragment = func(c *Conn, _ Op, p []byte, last bool) {
		sum.Write(p)
		total += len(p)
		most = max(most, c.tcp.Input().Len())
		if c.dec.msg != nil && c.dec.msg.buf.Len() > 0 {
			t.Error("the decoder holds a part of the message")
		}
		if last {
			done <- fmt.Sprintf("%d bytes %x", total, sum.Sum64())
			sum.Reset()
			total = 0
		}
	}
	c := dial(t, start(t, h, WithMaxMessage(size)))
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 4096) // 64 KiB
	want := fnv.New64a()
	for range size / len(chunk) {
		want.Write(chunk)
	}
	masked := bytes.Clone(chunk)
	mask(masked, wireKey, 0)
	for _, frame := range []int{size, len(chunk)} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for sent := 0; sent < size; sent += frame {
			head := cut{fin: sent+frame == size, op: OpBinary, announce: int64(frame)}
			if sent > 0 {
				head.op = 0
			}
			c.write(head.bytes())
			for n := 0; n < frame; n += len(chunk) {
				c.write(masked)
			}
		}
		if got, want := wait(t, "last piece", done), fmt.Sprintf("%d bytes %x", size, want.Sum64()); got != want {
			t.Errorf("frames of %d: %s, want %s", frame, got, want)
		}
		runtime.ReadMemStats(&after)
		if n := int64(after.TotalAlloc - before.TotalAlloc); n > 8<<20 {
			t.Errorf("frames of %d: %d bytes were allocated", frame, n)
		}
	}
	if most > 1<<20 {
		t.Errorf("%d bytes lay in the input", most)
	}
}

// TestFragmentsEcho does what may be done with a piece: change it
// in place, send it, and forget it.
func TestFragmentsEcho(t *testing.T) {
	h := &fragments{recorder: newRecorder()}
	h.onFragment = func(c *Conn, op Op, p []byte, _ bool) {
		for i := range p {
			p[i] ^= 1
		}
		if err := c.Send(op, p); err != nil {
			t.Error(err)
		}
		clear(p)
	}
	c := dial(t, start(t, h))
	payload := strings.Repeat("a", 300_000)
	go c.Write(join(binary1(payload), ping("end")))
	got := 0
	for got < len(payload) {
		op, p, err := c.frame()
		if err != nil || op != ws.OpBinary || strings.Count(string(p), "`") != len(p) {
			t.Fatal(op, len(p), err)
		}
		got += len(p)
	}
	c.want(ws.OpPong, "end")
}

// TestPieces cuts streams in two at every byte: put together, the pieces are the
// messages.
func TestPieces(t *testing.T) {
	max := limits{message: 1 << 20, fragments: 100}
	for i, s := range append(streams,
		join(more(ws.OpText, strings.Repeat("κόσμε ", 20)), cont("\xf0\x90"), ping("p"), cont("\x8d"), last("\x88")),
		oneByteFragments("µ𐍈"),
	) {
		want, _ := decodeStream(max, s)
		for at := range len(s) + 1 {
			got, _ := decodeBy(&decoder{limits: &max, pieces: true}, s[:at], s[at:])
			if !got.same(want) {
				t.Fatalf("stream %d cut at %d: %v, want %v", i, at, got, want)
			}
		}
		if got, _ := decodeBy(&decoder{limits: &max, pieces: true}, eachByte(s)...); !got.same(want) {
			t.Fatalf("stream %d byte by byte: %v, want %v", i, got, want)
		}
	}
}
