package ws

import (
	"fmt"
	"strconv"
	"strings"
)

// Deflate asks for the compression of messages, permessage-deflate (RFC 7692),
// where the peer agrees. The zero value is a good choice: level 1, nothing kept
// between messages. It is not copied and must not change once it is in use.
//
// What it costs, in heap:
//
//   - Whoever compresses at the moment holds a deflater of 0.8 MiB (level 1) to
//     1.4 MiB (level 9), whoever inflates an inflater of 42 KiB. They come from
//     pools and go back after each message, so that a process has few. A
//     message that is written in parts holds its deflater from first to last.
//   - An idle connection without ContextTakeover holds 48 bytes.
//   - With it, a window each way, of 1<<bits bytes: 64 KiB a connection with 15
//     bits, 8 KiB with 12, 2 KiB with 10. It is taken as messages fill it.
//
// And what it does to a feed of prices in JSON, at level 1: what is left of a
// message, and the time to compress it on one core, by how windows are kept.
//
//	message   not kept      15 bits       12 bits       10 bits
//	   64 B   99 %,  2 µs   54 %, 62 µs   56 %, 13 µs   58 %,  6 µs
//	  128 B   98 %,  2 µs   39 %, 89 µs   43 %, 21 µs   44 %,  8 µs
//	  256 B   58 %,  4 µs   35 %, 71 µs   37 %, 12 µs   37 %,  6 µs
//	1,024 B   33 %,  8 µs   27 %, 84 µs   27 %, 18 µs   25 %, 17 µs
//	4,096 B   25 %, 14 µs   24 %, 99 µs   21 %, 50 µs   21 %, 35 µs
//
// Inflating takes some 3 µs for 256 B and 18 µs for 4,096 B, either way. The
// figures are the least of several runs of BenchmarkDeflate, BenchmarkInflate
// and BenchmarkCodecMemory on a machine that others used too.
//
// A secret and text of an attacker's choice in one message, or with
// ContextTakeover in one connection, let whoever sees the length of what is sent
// guess the secret: do not compress those (RFC 7692 section 8).
type Deflate struct {
	// Level is flate's, from 1, the fastest, to 9, the smallest; 0 is 1. Above 1
	// messages of up to 1 KiB are hardly smaller (31 % instead of 33 % are left at
	// level 6), and with ContextTakeover they take twice the time. Where a window
	// has less than 15 bits, and a message is longer than half of it or written in
	// parts, the level is one of about 5, whatever is set.
	Level int

	// Threshold is the length in bytes from which on messages are compressed; 0
	// is 256, or 128 with ContextTakeover, below which it does not pay. -1 is for
	// all. A message that compression would not make smaller is sent as it is.
	// Those that are written in parts are always compressed.
	Threshold int

	// ContextTakeover keeps windows from message to message, both ways, where the
	// peer agrees: messages that resemble those before become smaller, for the
	// memory and the time above. Without it the peer is told to keep none, either
	// (server_no_context_takeover and client_no_context_takeover). With it, limit
	// both windows to 12 bits or less unless you have measured that more pays:
	// each message is compressed by going through the window first.
	ContextTakeover bool

	// ServerWindowBits limits the window of what the server compresses, 9 to 15;
	// 0 is 15, which is all that DEFLATE has. A client may ask for less, down to
	// 8. When a server cannot do what a client of ours asks for, no window is
	// kept.
	ServerWindowBits int

	// ClientWindowBits limits the window of what the client compresses, 9 to 15;
	// 0 is 15. A client that cannot limit its window (Firefox and Safari do not
	// offer it) is told to keep none.
	ClientWindowBits int
}

// What Deflate's zeros stand for.
const (
	defaultDeflateLevel      = 1
	defaultDeflateThreshold  = 256
	defaultTakeoverThreshold = 128
	maxWindowBits            = 15
	minWindowBits            = 8 // on the wire; the options begin at 9
)

// validate refuses values that make no sense.
func (d *Deflate) validate() error {
	bits := func(n int) bool { return n == 0 || n > minWindowBits && n <= maxWindowBits }
	switch {
	case d.Level < 0 || d.Level > 9:
		return fmt.Errorf("ws: Deflate.Level %d is not 0 to 9", d.Level)
	case d.Threshold < -1:
		return fmt.Errorf("ws: Deflate.Threshold %d is below -1", d.Threshold)
	case !bits(d.ServerWindowBits):
		return fmt.Errorf("ws: Deflate.ServerWindowBits %d is not 0 or 9 to 15", d.ServerWindowBits)
	case !bits(d.ClientWindowBits):
		return fmt.Errorf("ws: Deflate.ClientWindowBits %d is not 0 or 9 to 15", d.ClientWindowBits)
	}
	return nil
}

// level is Level, its default filled in.
func (d *Deflate) level() int {
	if d.Level == 0 {
		return defaultDeflateLevel
	}
	return d.Level
}

// worth reports whether a message of n bytes reaches Threshold.
func (d *Deflate) worth(n int) bool {
	switch {
	case d.Threshold != 0:
		return n >= d.Threshold
	case d.ContextTakeover:
		return n >= defaultTakeoverThreshold
	default:
		return n >= defaultDeflateThreshold
	}
}

// limitBits fills in what 0 stands for.
func limitBits(n int) uint8 {
	if n == 0 {
		return maxWindowBits
	}
	return uint8(n)
}

// deflateParams is what was agreed, from this endpoint's side.
type deflateParams struct {
	send, receive deflateDirection
}

// deflateDirection is what was agreed for the messages of one sender.
type deflateDirection struct {
	takeover bool  // a message may refer to those before it
	bits     uint8 // no distance is greater than 1<<bits; 8 to 15
}

// The names of RFC 7692 sections 7 and 7.1.
const (
	deflateName            = "permessage-deflate"
	serverNoTakeover       = "server_no_context_takeover"
	clientNoTakeover       = "client_no_context_takeover"
	serverMaxWindow        = "server_max_window_bits"
	clientMaxWindow        = "client_max_window_bits"
	bareWindow       uint8 = 0xff // a client_max_window_bits without a value
)

// deflateExtension is one permessage-deflate element, read: what its
// parameters say, of which each may be there once.
type deflateExtension struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             uint8 // 0 is absent
}

// readDeflate judges the parameters of a permessage-deflate element (RFC 7692
// section 7.1). Only an offer may have client_max_window_bits without a value.
// ok is false for a parameter that is unknown, there twice, or has a value that
// it must not have.
func readDeflate(params []extensionParam, offer bool) (e deflateExtension, ok bool) {
	for _, p := range params {
		switch p.name {
		case serverNoTakeover:
			ok = !p.hasValue && !e.serverNoTakeover
			e.serverNoTakeover = true
		case clientNoTakeover:
			ok = !p.hasValue && !e.clientNoTakeover
			e.clientNoTakeover = true
		case serverMaxWindow:
			ok = e.serverBits == 0
			e.serverBits = windowBits(p.value)
			ok = ok && e.serverBits != 0
		case clientMaxWindow:
			ok = e.clientBits == 0
			if e.clientBits = windowBits(p.value); offer && !p.hasValue {
				e.clientBits = bareWindow
			}
			ok = ok && e.clientBits != 0
		default:
			ok = false
		}
		if !ok {
			return e, false
		}
	}
	return e, true
}

// windowBits reads 8 to 15, without leading zeros; anything else is 0.
func windowBits(s string) uint8 {
	if len(s) > 2 || s == "" || s[0] == '0' {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n < minWindowBits || n > maxWindowBits {
		return 0
	}
	return uint8(n)
}

// String is the element as it goes into a header.
func (e deflateExtension) String() string {
	var b strings.Builder
	b.WriteString(deflateName)
	if e.serverNoTakeover {
		b.WriteString("; " + serverNoTakeover)
	}
	if e.clientNoTakeover {
		b.WriteString("; " + clientNoTakeover)
	}
	if e.serverBits != 0 {
		b.WriteString("; " + serverMaxWindow + "=" + strconv.Itoa(int(e.serverBits)))
	}
	switch e.clientBits {
	case 0:
	case bareWindow:
		b.WriteString("; " + clientMaxWindow)
	default:
		b.WriteString("; " + clientMaxWindow + "=" + strconv.Itoa(int(e.clientBits)))
	}
	return b.String()
}

// accept is the server's part: lines are the values of all the request's
// Sec-WebSocket-Extensions lines, in their order, and response is the value of
// the one to answer with. The first offer of permessage-deflate that can be met
// is taken. One that cannot, that has an unknown parameter or a value that is
// none, is declined, as RFC 7692 section 7.1 asks; so is everything when the
// list breaks the grammar. ok is false when nothing is left: the connection
// goes on without compression.
func (d *Deflate) accept(lines []string) (p deflateParams, response string, ok bool) {
	list, _ := parseExtensions(lines)
	for _, ext := range list {
		if ext.name != deflateName {
			continue
		}
		if offer, ok := readDeflate(ext.params, true); ok {
			p, answer := d.answer(offer)
			return p, answer.String(), true
		}
	}
	return deflateParams{}, "", false
}

// answer accepts an offer. There is none that could not be met: this side can
// compress with any window, and inflates with the largest.
func (d *Deflate) answer(offer deflateExtension) (p deflateParams, e deflateExtension) {
	ours := limitBits(d.ServerWindowBits)
	p.send.bits = ours
	if offer.serverBits != 0 {
		p.send.bits = min(ours, offer.serverBits)
	}
	// Where nothing is limited nothing is said, which every client understands.
	if offer.serverBits != 0 || ours < maxWindowBits {
		e.serverBits = p.send.bits
	}
	e.serverNoTakeover = !d.ContextTakeover || offer.serverNoTakeover
	p.send.takeover = !e.serverNoTakeover

	// With a value a client binds itself, whatever is answered (section 7.1.2.2).
	ours = limitBits(d.ClientWindowBits)
	p.receive.bits = maxWindowBits
	if offer.clientBits != 0 {
		p.receive.bits = min(ours, offer.clientBits) // a bare one is above all
		if ours < maxWindowBits {
			e.clientBits = p.receive.bits
		}
	}
	// A client that cannot keep its window small is told to keep none, so that
	// the memory stays what ClientWindowBits allows.
	e.clientNoTakeover = !d.ContextTakeover || offer.clientNoTakeover || p.receive.bits > ours
	p.receive.takeover = !e.clientNoTakeover
	return p, e
}

// offer is the client's part of the request: the value of
// Sec-WebSocket-Extensions. A limit of the server's window is one that not
// every server can meet; for those a second offer asks that no window is kept,
// which costs the client no more memory than the first.
func (d *Deflate) offer() string {
	e := deflateExtension{
		serverNoTakeover: !d.ContextTakeover,
		clientNoTakeover: !d.ContextTakeover,
		clientBits:       bareWindow,
	}
	if bits := limitBits(d.ClientWindowBits); bits < maxWindowBits {
		e.clientBits = bits
	}
	bits := limitBits(d.ServerWindowBits)
	if bits == maxWindowBits {
		return e.String()
	}
	first := e
	first.serverBits = bits
	e.serverNoTakeover = true
	return first.String() + ", " + e.String()
}

// agreed is the client's part of the response: lines are the values of all its
// Sec-WebSocket-Extensions lines, and on tells whether the server took the
// extension up. After an error the client must fail the connection: the server
// answered what was not offered, or nothing that can be read (RFC 6455 section
// 4.1, RFC 7692 section 7.1).
func (d *Deflate) agreed(lines []string) (p deflateParams, on bool, err error) {
	list, ok := parseExtensions(lines)
	switch {
	case !ok:
		return p, false, fmt.Errorf("the server's Sec-WebSocket-Extensions is malformed: %q", lines)
	case len(list) == 0:
		return p, false, nil
	case len(list) > 1 || list[0].name != deflateName:
		return p, false, fmt.Errorf("the server accepted extensions that were not offered: %q", lines)
	}
	e, ok := readDeflate(list[0].params, false)
	if !ok {
		return p, false, fmt.Errorf("the server accepted %s with parameters that are not valid: %q", deflateName, lines)
	}
	if p, ok = d.settle(e); !ok {
		return p, false, fmt.Errorf("the server accepted %s, but not as it was offered: %q", deflateName, lines)
	}
	return p, true, nil
}

// settle holds a response against what offer offered. Whatever the server
// limits of its own accord is fine: its window, and that windows are kept.
func (d *Deflate) settle(e deflateExtension) (p deflateParams, ok bool) {
	p.send = deflateDirection{
		takeover: d.ContextTakeover && !e.clientNoTakeover,
		bits:     limitBits(d.ClientWindowBits),
	}
	if e.clientBits > p.send.bits {
		return p, false
	}
	if e.clientBits != 0 {
		p.send.bits = e.clientBits
	}
	p.receive = deflateDirection{takeover: !e.serverNoTakeover, bits: maxWindowBits}
	if e.serverBits != 0 {
		p.receive.bits = e.serverBits
	}
	if p.receive.takeover && (!d.ContextTakeover || p.receive.bits > limitBits(d.ServerWindowBits)) {
		return p, false
	}
	return p, true
}
