package ws_test

import (
	"bytes"
	"compress/flate"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carillon-go/carillon/ws"
)

// What a server must survive, as far as the Autobahn cases and the tests beside
// them do not have it: each test is one line of that list.

// TestKeyIsNot16BytesOfBase64: over the wire each is a 400.
func TestKeyIsNot16BytesOfBase64(t *testing.T) {
	addr := serveEcho(t)
	for _, key := range []string{
		"", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZTE=", "dGhlIHNhbXBsZSBub25jZTEy",
		"dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j!Q==", "_GhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ===",
	} {
		p := connectPeer(t, addr)
		p.write([]byte(strings.Replace(handshake, "dGhlIHNhbXBsZSBub25jZQ==", key, 1) + "\r\n"))
		if resp := p.response(); resp.StatusCode != 400 {
			t.Errorf("key %q: %s", key, resp.Status)
		}
		stillServed(t, addr)
	}
}

// TestCloseCodesOnTheWire sends each end of the ranges of good codes, and what
// lies beside it.
func TestCloseCodesOnTheWire(t *testing.T) {
	addr := serveEcho(t)
	good := []int{1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}
	for _, code := range append([]int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}, good...) {
		want := 1002
		if slices.Contains(good, code) {
			want = code
		}
		p := openPeer(t, addr)
		p.write(closing(code, "reason").wire())
		p.wantClose(want)
		stillServed(t, addr)
	}
}

// watcher echoes, and says when a connection has ended.
type watcher struct {
	echoer
	ended chan ws.Code
}

func (w watcher) OnClose(_ *ws.Conn, code ws.Code, _ string) { w.ended <- code }

// allocated is the number of bytes that f has the whole process allocate.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestDeclaredLengthNeverSent: connections that announce 16 MiB each and send
// three bytes of it cost what those cost.
func TestDeclaredLengthNeverSent(t *testing.T) {
	const connections = 100
	w := watcher{echoer{t: t}, make(chan ws.Code, connections)}
	addr := ws.Start(t, w)
	start := append(ping("").wire(), binaryOf(strings.Repeat("x", 16*mib)).wire()[:14+3]...)
	n := allocated(func() {
		for range connections {
			p := openPeer(t, addr)
			p.write(start)
			p.wantFrame(opPong, "")
			p.conn.Close()
			if code := <-w.ended; code != ws.CodeAbnormal {
				t.Fatal(code)
			}
		}
	})
	// Most of it is the test's own.
	if n > connections*256*kib {
		t.Errorf("%d bytes were allocated for %d connections", n, connections)
	}
	stillServed(t, addr)
}

// TestUnknownExtensionParameters: an offer that is not understood, or against
// RFC 7692 section 7.1, is declined and the connection opens without it; one
// that is good behind it is taken.
func TestUnknownExtensionParameters(t *testing.T) {
	addr := serveEcho(t, deflateOption(t))
	for _, offer := range []string{
		"x-unknown", "x-unknown; a=b", "permessage-deflate; level=9", "permessage-deflate; server_max_window_bits",
		"permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16",
		"permessage-deflate; server_max_window_bits=010", "permessage-deflate; server_max_window_bits=+9",
		"permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=16",
		"permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=true",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; client_max_window_bits; client_max_window_bits=10",
		"permessage-bzip2", "permessage-deflates", "; =", "permessage-deflate; ;",
	} {
		t.Run(offer, func(t *testing.T) {
			p := openPeer(t, addr, offer)
			if got := p.header["Sec-Websocket-Extensions"]; got != nil {
				t.Errorf("the answer is %q", got)
			}
			p.write(text(hello).wire())
			p.wantFrame(opText, hello)
			bye(p)
			stillServed(t, addr)
		})
	}
	for _, offer := range []string{
		"permessage-deflate; client_max_window_bits", // Chrome's
		"permessage-deflate", "permessage-deflate; server_max_window_bits=10", "permessage-deflate; client_max_window_bits=10",
		"permessage-deflate; client_no_context_takeover; server_no_context_takeover",
	} {
		for _, before := range []string{"", "permessage-deflate; level=9", "x-unknown"} {
			offers := []string{offer}
			if before != "" {
				offers = []string{before, offer}
			}
			t.Run(strings.Join(offers, ", "), func(t *testing.T) {
				p := openPeer(t, addr, offers...)
				converse(testData()[0], 4*kib, 0, offer)(p)
				bye(p)
			})
		}
	}
}

// TestReservedBitsWithDeflate: the extension gives RSV1 a meaning at the
// beginning of a message, and nowhere else (RFC 7692 section 6).
func TestReservedBitsWithDeflate(t *testing.T) {
	addr := serveEcho(t, deflateOption(t))
	for _, c := range []struct {
		name   string
		frames []frame
	}{
		{"RSV1 on a ping", []frame{{op: opPing, rsv: rsv1}}},
		{"RSV1 on a pong", []frame{{op: opPong, rsv: rsv1}}},
		{"RSV1 on a close", []frame{{op: opClose, rsv: rsv1}}},
		{"RSV1 on a continuation", []frame{begin("a"), {op: opCont, rsv: rsv1, payload: "b"}}},
		{"RSV1 on both", []frame{{op: opText, rsv: rsv1, more: true, payload: "\x4a"}, {op: opCont, rsv: rsv1}}},
		{"RSV2", []frame{{op: opText, rsv: rsv2}}},
		{"RSV3", []frame{{op: opBinary, rsv: rsv3}}},
		{"RSV1 and RSV2", []frame{{op: opText, rsv: rsv1 | rsv2, payload: "\x00"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openPeer(t, addr, offered)
			p.negotiated(offered)
			p.write(wires(c.frames))
			p.wantClose(1002)
			stillServed(t, addr)
		})
	}
}

// TestBrokenDeflateData: what does not inflate, or not to UTF-8, is no payload
// of its message's type.
func TestBrokenDeflateData(t *testing.T) {
	addr := serveEcho(t, deflateOption(t))
	once := func(s string) string { return string(newCompressor(6, false).message(s)) }
	good := once(strings.Repeat(german, 40))
	takeover := newCompressor(6, true)
	takeover.message(randomString(600))
	orphan := string(takeover.message(randomString(600)))
	for _, c := range []struct {
		name     string
		op       byte
		payload  string
		fragment int
	}{
		{"reserved block type", opBinary, "\x07", 0},
		{"stored length not confirmed", opBinary, "\x00\x05\x00\x05\x00abcde", 0},
		{"noise", opBinary, "\xff\xfe\xfd\xfc", 0},
		{"cut off", opText, good[:len(good)/2], 0},
		{"cut off, in two frames", opText, good[:len(good)/2], len(good) / 3},
		{"a reference before the first byte", opBinary, orphan, 0},
		{"not UTF-8", opText, once(kosme + surrogate), 0},
		{"ends inside a character", opText, once("\xce"), 0},
		{"the same, in frames of one byte", opText, once("\xce"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := inflater{window: 1 << 15}
			if plain, err := z.message([]byte(c.payload)); err == nil && (c.op != opText || utf8.Valid(plain)) {
				t.Fatalf("it is good: %q", plain)
			}
			p := openPeer(t, addr, offered)
			p.negotiated(offered)
			p.write(wires(fragments(frame{op: c.op, rsv: rsv1, payload: c.payload}, c.fragment)))
			p.wantClose(1007)
			stillServed(t, addr)
		})
	}
}

// TestSmallFrameThatInflatesToGigabytes: inflating stops at the limit of a
// message, and no more than that is allocated.
func TestSmallFrameThatInflatesToGigabytes(t *testing.T) {
	addr := serveEcho(t, deflateOption(t), ws.WithMaxMessage(mib))
	// Each of these blocks refers to itself alone, so that one can follow another.
	block := append(newCompressor(flate.BestCompression, false).message(strings.Repeat("\x00", mib)), 0, 0, 0xff, 0xff)
	for _, blocks := range []int{2, 900} {
		wire := frame{op: opBinary, rsv: rsv1, payload: string(bytes.Repeat(block, blocks))}.wire()
		p := openPeer(t, addr, offered)
		p.negotiated(offered)
		n := allocated(func() {
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				p.conn.Write(wire) // the server need not take all of it
			}()
			p.wantClose(1009)
			<-sent
		})
		if n > 16*mib {
			t.Errorf("%d bytes that inflate to %d MiB: %d bytes were allocated", len(wire), blocks, n)
		}
		stillServed(t, addr)
	}
}
