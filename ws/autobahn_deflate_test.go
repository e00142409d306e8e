package ws_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-go/carillon/ws"
)

func TestAutobahnDeflateData(t *testing.T) {
	runAutobahn(t, deflateDataCases(), deflateOption(t))
}

func TestAutobahnDeflateOffers(t *testing.T) {
	runAutobahn(t, deflateOfferCases(), deflateOption(t))
}

// deflateSizes are the messages of each section of 12 and 13, and the fragments
// that they are sent in after compression, 0 for one frame.
var deflateSizes = []struct{ message, fragment int }{
	{16, 0}, {64, 0}, {256, 0}, {kib, 0}, {4 * kib, 0}, {8 * kib, 0}, {16 * kib, 0}, {32 * kib, 0},
	{64 * kib, 0}, {128 * kib, 0},
	{8 * kib, 256}, {16 * kib, 256}, {32 * kib, 256}, {64 * kib, 256}, {128 * kib, 256},
	{128 * kib, kib}, {128 * kib, 4 * kib}, {128 * kib, 32 * kib},
}

// messages is how many a case of 12 and 13 sends. Autobahn sends 1,000; with 50
// the largest window is filled from messages of 1 KiB on. Under the race
// detector, where compression takes ten times as long, it is less.
var messages = func() int {
	if ws.UnderRace() {
		return 8
	}
	return 50
}()

// Autobahn's client says in each offer that the server may limit it, too.
const offered = "permessage-deflate; client_no_context_takeover; client_max_window_bits"

// deflateDataCases are 12: several kinds of data, with the default offer.
func deflateDataCases() []autobahnCase {
	var all []autobahnCase
	for i, d := range testData() {
		all = append(all, deflateSection(fmt.Sprintf("12.%d", i+1), d.title, d, offered)...)
	}
	return all
}

// deflateOfferCases are 13: the JSON, with different offers. Of several the
// first, which the client likes best, must be taken.
func deflateOfferCases() []autobahnCase {
	const noTakeover, bits9, bits15 = "; server_no_context_takeover", "; server_max_window_bits=9", "; server_max_window_bits=15"
	var all []autobahnCase
	for i, offers := range [][]string{
		{offered},
		{offered + noTakeover},
		{offered + bits9},
		{offered + bits15},
		{offered + noTakeover + bits9},
		{offered + noTakeover + bits15},
		{offered + noTakeover + bits9, offered + noTakeover, offered},
	} {
		title := strings.ReplaceAll(strings.TrimPrefix(offers[0], offered), "; server", "")
		if title == "" {
			title = "default"
		}
		all = append(all, deflateSection(fmt.Sprintf("13.%d", i+1), title, testData()[0], offers...)...)
	}
	return all
}

func deflateSection(number, title string, d *dataset, offers ...string) []autobahnCase {
	var all []autobahnCase
	for i, s := range deflateSizes {
		name := fmt.Sprintf("%s.%d %s %s", number, i+1, title, size(s.message))
		if s.fragment > 0 {
			name += " in fragments of " + size(s.fragment)
		}
		all = append(all, autobahnCase{name, offers, []step{converse(d, s.message, s.fragment, offers[0]), bye}})
	}
	return all
}

// converse sends messages of n characters and demands each back before the next.
func converse(d *dataset, n, fragment int, offer string) step {
	return func(p *peer) {
		p.t.Helper()
		agreed := p.negotiated(offer)
		p.deflate = true
		sent := streamOf(streamKey{d, n, agreed.clientTakeover, agreed.clientBits == 15})
		z := inflater{window: 1 << agreed.serverBits, takeover: agreed.serverTakeover}
		compressed := 0
		for i := range messages {
			p.write(wires(fragments(frame{op: d.op, rsv: rsv1, payload: sent[i]}, fragment)))
			m := p.message()
			want := d.message(i, n)
			got := m.payload
			if m.rsv == rsv1 {
				compressed++
				var err error
				if got, err = z.message(got); err != nil {
					p.t.Fatalf("message %d of %d bytes: %v", i, len(want), err)
				}
				if d.compressible && len(want) >= 4*kib && len(m.payload) > len(want)*2/3 {
					p.t.Fatalf("message %d of %d bytes was compressed to %d", i, len(want), len(m.payload))
				}
			}
			if m.op != d.op || string(got) != want {
				p.t.Fatalf("message %d: op %d, %d bytes %.40q; want op %d, %d bytes %.40q",
					i, m.op, len(got), got, d.op, len(want), want)
			}
		}
		// Whether it pays for a short message, or for noise, is the server's choice.
		if d.compressible && n >= 4*kib && compressed < messages {
			p.t.Fatalf("%d of %d messages came compressed", compressed, messages)
		}
	}
}

// message reads a message, which may come in several frames.
func (p *peer) message() incoming {
	p.t.Helper()
	m, err := p.read()
	if err == nil && m.op != opText && m.op != opBinary {
		p.t.Fatal("no message:", m)
	}
	for err == nil && !m.fin {
		var f incoming
		f, err = p.read()
		if err == nil && f.op != opCont {
			p.t.Fatal("no continuation:", f)
		}
		m.fin = f.fin
		m.payload = append(m.payload, f.payload...)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// agreement is what permessage-deflate was agreed to be.
type agreement struct {
	serverTakeover, clientTakeover bool
	serverBits, clientBits         int
}

// negotiated reads the answer to an offer, which has to be accepted: by RFC 7692
// section 7.1, a parameter of the server's that was asked for is granted, one of
// the client's that was not offered is not used, and none comes twice.
func (p *peer) negotiated(offer string) agreement {
	p.t.Helper()
	a := agreement{serverTakeover: true, clientTakeover: true, serverBits: 15, clientBits: 15}
	answer := p.header["Sec-Websocket-Extensions"]
	if len(answer) != 1 {
		p.t.Fatalf("the answer to %q is %q", offer, answer)
	}
	name, params, _ := strings.Cut(answer[0], ";")
	if strings.TrimSpace(name) != "permessage-deflate" || strings.Contains(params, ",") {
		p.t.Fatalf("the answer is %q", answer)
	}
	asked, got := parameters(p.t, offer), parameters(p.t, answer[0])
	if hint := asked["client_max_window_bits"]; hint != "" {
		a.clientBits = windowBits(p.t, hint) // section 7.1.2.2: kept to in any case
	}
	for name, value := range got {
		_, may := asked[name]
		switch name {
		case "server_no_context_takeover":
			a.serverTakeover = false
			may = value == ""
		case "client_no_context_takeover":
			a.clientTakeover = false
			may = value == "" // section 7.1.1.2: also without having been offered
		case "server_max_window_bits":
			a.serverBits = windowBits(p.t, value)
			may = asked[name] == "" || a.serverBits <= windowBits(p.t, asked[name])
		case "client_max_window_bits":
			a.clientBits = windowBits(p.t, value)
			may = may && (asked[name] == "" || a.clientBits <= windowBits(p.t, asked[name]))
		default:
			may = false
		}
		if !may {
			p.t.Fatalf("%s=%q in the answer to %q", name, value, offer)
		}
	}
	for name := range asked {
		if _, granted := got[name]; !granted && strings.HasPrefix(name, "server_") {
			p.t.Fatalf("%s was not granted: %q", name, answer)
		}
	}
	return a
}

// parameters are those behind an extension's name.
func parameters(t testing.TB, extension string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for i, param := range strings.Split(extension, ";") {
		if i == 0 {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if _, twice := all[name]; twice {
			t.Fatalf("%s twice in %q", name, extension)
		}
		all[name] = value
	}
	return all
}

// windowBits is a number from 8 to 15 without a zero before it.
func windowBits(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil || n < 8 || n > 15 || strconv.Itoa(n) != s {
		t.Fatalf("window bits %q", s)
	}
	return n
}

// streamKey says what a client sends.
type streamKey struct {
	data       *dataset
	n          int
	takeover   bool
	fullWindow bool
}

var (
	streamsMu sync.Mutex
	streams   = map[streamKey]func() []string{}
)

// streamOf is a connection's messages, compressed. Many cases send the same ones
// and differ in the frames: they are compressed once.
func streamOf(key streamKey) []string {
	streamsMu.Lock()
	once, ok := streams[key]
	if !ok {
		once = sync.OnceValue(func() []string {
			level := 4 // looks for matches as the better levels do, but not as long
			if !key.fullWindow {
				level = flate.HuffmanOnly // refers back to nothing, so that any window will do
			}
			c := newCompressor(level, key.takeover)
			all := make([]string, messages)
			for i := range all {
				all[i] = string(c.message(key.data.message(i, key.n)))
			}
			return all
		})
		streams[key] = once
	}
	streamsMu.Unlock()
	return once()
}

// compressor compresses the messages of one direction (RFC 7692 section 7.2.1).
type compressor struct {
	w        *flate.Writer
	out      bytes.Buffer
	takeover bool
}

func newCompressor(level int, takeover bool) *compressor {
	c := &compressor{takeover: takeover}
	w, err := flate.NewWriter(&c.out, level)
	if err != nil {
		panic(err)
	}
	c.w = w
	return c
}

func (c *compressor) message(plain string) []byte {
	c.out.Reset()
	if !c.takeover {
		c.w.Reset(&c.out)
	}
	// A bytes.Buffer takes everything.
	_, _ = c.w.Write([]byte(plain))
	_ = c.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(c.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}
