package ws_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/ws"
)

// The files autobahn_*_test.go walk the ground of the Autobahn test suite for a
// server: the same case numbers, the same frames, the same sizes and chops,
// written anew for this package and with strict verdicts. Where Autobahn takes
// several outcomes ("non-strict", "informational", a list of close codes) one
// is demanded here: what came before a violation is answered, the violation
// ends the connection at the byte that makes it certain, and the close frame
// has the code that RFC 6455 section 7.4 names.

// autobahnCase is one case: its steps run in order on a connection of its own.
type autobahnCase struct {
	name   string   // the case's number, a blank, and what it is about
	offers []string // what Sec-WebSocket-Extensions offers, if anything
	steps  []step
}

// step is one thing that a peer does or demands.
type step func(*peer)

func autobahn(name string, steps ...step) autobahnCase {
	return autobahnCase{name: name, steps: steps}
}

// autobahnGroups has the number of cases that the suite runs against a server,
// as of its release 0.8.2.
var autobahnGroups = []struct {
	number string
	cases  func() []autobahnCase
	want   int
}{
	{"1", framingCases, 16},
	{"2", pingCases, 11},
	{"3", reservedBitCases, 7},
	{"4", opcodeCases, 10},
	{"5", fragmentCases, 20},
	{"6", utf8Cases, 145},
	{"7", closeCases, 37},
	{"9", limitCases, 54},
	{"10", autoFragmentCases, 1},
	{"12", deflateDataCases, 90},
	{"13", deflateOfferCases, 126},
}

// TestAutobahnCount holds the tables against the suite's list: the number of
// cases of each group, none of them twice, none left out within a section.
func TestAutobahnCount(t *testing.T) {
	total := 0
	for _, g := range autobahnGroups {
		cases := g.cases()
		if len(cases) != g.want {
			t.Errorf("group %s has %d cases, want %d", g.number, len(cases), g.want)
		}
		total += len(cases)
		last := map[string]int{}
		for _, c := range cases {
			number, _, _ := strings.Cut(c.name, " ")
			dot := strings.LastIndexByte(number, '.')
			section := number[:dot]
			last[section]++
			if want := fmt.Sprintf("%s.%d", section, last[section]); number != want {
				t.Errorf("case %s, want %s", number, want)
			}
			if group, _, _ := strings.Cut(number, "."); group != g.number {
				t.Errorf("case %s in group %s", number, g.number)
			}
		}
	}
	if total != 517 {
		t.Errorf("%d cases, want 517", total)
	}
}

// runAutobahn runs cases beside each other on one server that echoes, and then
// checks that a fresh connection is served.
func runAutobahn(t *testing.T, cases []autobahnCase, opts ...ws.EndpointOption) {
	ws.OnceIsEnough(t)
	addr := serveEcho(t, opts...)
	// A Cleanup runs when the parallel subtests have ended, and before that of
	// the server.
	t.Cleanup(func() { stillServed(t, addr) })
	for i, c := range cases {
		if ws.OverTLS() && long(c) && i%5 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := openPeer(t, addr, c.offers...)
			for _, s := range c.steps {
				s(p)
			}
		})
	}
}

// long reports whether a case is of a group that moves so much that one in five is
// enough over TLS.
func long(c autobahnCase) bool {
	group, _, _ := strings.Cut(c.name, ".")
	return group == "9" || group == "12" || group == "13"
}

// echoer sends back what it gets.
type echoer struct {
	ws.NopHandler
	t testing.TB
}

func (e echoer) OnMessage(c *ws.Conn, op ws.Op, p []byte) {
	if err := c.Send(op, p); err != nil {
		e.t.Error("Send:", err)
	}
}

// serveEcho starts a server that echoes, until the test ends, and returns its
// address.
func serveEcho(t testing.TB, opts ...ws.EndpointOption) string {
	t.Helper()
	return ws.Start(t, echoer{t: t}, opts...)
}

// stillServed checks that a fresh connection is served as if nothing happened.
func stillServed(t testing.TB, addr string) {
	t.Helper()
	p := openPeer(t, addr)
	p.write(text("still there?").wire())
	p.wantFrame(opText, "still there?")
	bye(p)
}

// send sends frames in one write.
func send(frames ...frame) step {
	return func(p *peer) { p.t.Helper(); p.write(wires(frames)) }
}

// each sends frames in a write of its own each, Autobahn's "frame-wise chops".
func each(frames ...frame) step {
	return func(p *peer) {
		p.t.Helper()
		for _, f := range frames {
			p.write(f.wire())
		}
	}
}

// chop sends frames in writes of n bytes.
func chop(n int, frames ...frame) step {
	return func(p *peer) {
		p.t.Helper()
		for all := wires(frames); len(all) > 0; all = all[min(n, len(all)):] {
			p.write(all[:min(n, len(all))])
		}
	}
}

// part sends bytes from to to of a frame's payload, behind the header when from
// is 0.
func part(f frame, from, to int) step {
	return func(p *peer) {
		p.t.Helper()
		wire := f.wire()
		head := len(wire) - len(f.payload)
		if from == 0 {
			from = -head
		}
		p.write(wire[head+from : head+to])
	}
}

// echo demands a whole message in one frame, and nothing before it.
func echo(op byte, payload string) step {
	return func(p *peer) { p.t.Helper(); p.wantFrame(op, payload) }
}

// ponged demands pongs with these payloads, and nothing in between.
func ponged(payloads ...string) step {
	return func(p *peer) {
		p.t.Helper()
		for _, s := range payloads {
			p.wantFrame(opPong, s)
		}
	}
}

// closed demands a close frame with this code, and then the end of the stream.
// noCode is a close frame without one.
func closed(code int) step {
	return func(p *peer) { p.t.Helper(); p.wantClose(code) }
}

// bye ends a connection that is in order: the close is echoed, nothing comes
// before it and nothing behind it.
func bye(p *peer) {
	p.t.Helper()
	p.write(closing(1000, "").wire())
	p.wantClose(1000)
}
