package ws

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// outcome is all that a stream of frames came to.
type outcome struct {
	events []string // "text:…", "binary:…", "ping:…", "pong:…"
	code   Code     // of the verdict or the close frame; 0 when the stream just stopped
	reason string
}

func (o outcome) String() string {
	return fmt.Sprintf("%d %q %q", o.code, o.reason, o.events)
}

var opNames = map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpPing: "ping", ws.OpPong: "pong"}

// decodeStream hands what a client sent, cut into pieces, to a decoder the way a
// connection does, and says after how many bytes of the stream the outcome was certain.
func decodeStream(max limits, pieces ...[]byte) (out outcome, certain int) {
	return decodeBy(&decoder{limits: &max}, pieces...)
}

// decodeBy is decodeStream for any decoder. Where it delivers pieces of messages they
// are put together again.
func decodeBy(d *decoder, pieces ...[]byte) (out outcome, certain int) {
	begun := ""
	defer d.reset()
	var in reactor.Buffer
	defer in.RetrieveAll()
	for _, p := range pieces {
		certain += len(p)
		in.Append(p)
		for {
			ev, n, err := d.next(in.Peek())
			if err == nil && ev.op == ws.OpClose {
				out.code, out.reason, err = parseCloseBody(ev.payload)
				if err == nil {
					return out, certain
				}
			}
			if err != nil {
				v := err.(*violation)
				out.code, out.reason = v.code, v.reason
				return out, certain
			}
			if n == 0 {
				break
			}
			switch {
			case ev.op == 0:
			case ev.op.IsControl():
				out.events = append(out.events, opNames[ev.op]+":"+string(ev.payload))
			case !ev.last:
				begun += string(ev.payload)
			default:
				out.events = append(out.events, opNames[ev.op]+":"+begun+string(ev.payload))
				begun = ""
			}
			in.Retrieve(n)
			d.done()
		}
	}
	return out, certain
}

func (o outcome) same(p outcome) bool {
	return o.code == p.code && o.reason == p.reason && slices.Equal(o.events, p.events)
}

// eachByte is p in pieces of one byte.
func eachByte(p []byte) [][]byte {
	pieces := make([][]byte, len(p))
	for i := range p {
		pieces[i] = bytes.Clone(p[i : i+1])
	}
	return pieces
}

// TestDecoder walks the ground of Autobahn's cases 1 to 7, each stream whole,
// cut in two at every byte, and byte by byte.
func TestDecoder(t *testing.T) {
	small := limits{message: 1 << 17, fragments: 8}
	long := func(n int) string { return strings.Repeat("*", n) }
	const kappa = "κόσμε"
	reserved := func(op ws.OpCode) decoderCase {
		return decoderCase{fmt.Sprintf("4 reserved opcode %d", op),
			join(text("a"), whole1(op, ""), text("b")), []string{"text:a"}, 1002}
	}
	cases := []decoderCase{
		{"1.1.1 empty text", text(""), []string{"text:"}, 0},
		{"1.1.2 text of 125", text(long(125)), []string{"text:" + long(125)}, 0},
		{"1.1.3 text of 126", text(long(126)), []string{"text:" + long(126)}, 0},
		{"1.1.4 text of 127", text(long(127)), []string{"text:" + long(127)}, 0},
		{"1.1.5 text of 128", text(long(128)), []string{"text:" + long(128)}, 0},
		{"1.2.1 empty binary", binary1(""), []string{"binary:"}, 0},
		{"1.2.2 binary with every byte", binary1(allBytes), []string{"binary:" + allBytes}, 0},
		{"1.2.8 binary, several in one segment", join(binary1("a"), binary1("b"), binary1("c")), []string{"binary:a", "binary:b", "binary:c"}, 0},

		{"2.1 empty ping", ping(""), []string{"ping:"}, 0},
		{"2.2 ping", ping("Hello"), []string{"ping:Hello"}, 0},
		{"2.3 binary ping", ping("\x00\xff\xfe"), []string{"ping:\x00\xff\xfe"}, 0},
		{"2.4 ping of 125", ping(long(125)), []string{"ping:" + long(125)}, 0},
		{"2.5 ping of 126", join(ping(long(126)), text("a")), nil, 1002},
		{"2.7 unsolicited pong", join(pong(""), ping("a")), []string{"pong:", "ping:a"}, 0},
		{"2.10 ten pings", bytes.Repeat(ping("p"), 10), slices.Repeat([]string{"ping:p"}, 10), 0},

		{"3.1 RSV3", cut{fin: true, rsv: 1, op: ws.OpText}.bytes(), nil, 1002},
		{"3.2 RSV2 after a good message", join(text("a"), cut{fin: true, rsv: 2, op: ws.OpText, payload: "b"}.bytes(), ping("")), []string{"text:a"}, 1002},
		{"3.4 RSV1", cut{fin: true, rsv: 4, op: ws.OpText}.bytes(), nil, 1002},
		{"3.5 RSV1 and RSV3 on binary", cut{fin: true, rsv: 5, op: ws.OpBinary, payload: "b"}.bytes(), nil, 1002},
		{"3.6 RSV1 and RSV2 on a ping", cut{fin: true, rsv: 6, op: ws.OpPing}.bytes(), nil, 1002},
		{"3.7 all of RSV on a close", cut{fin: true, rsv: 7, op: ws.OpClose}.bytes(), nil, 1002},
		{"3 RSV1 on a continuation", join(more(ws.OpText, "a"), cut{fin: true, rsv: 4, payload: "b"}.bytes()), nil, 1002},

		reserved(3), reserved(4), reserved(5), reserved(6), reserved(7),
		reserved(11), reserved(12), reserved(13), reserved(14), reserved(15),

		{"5.1 ping in two fragments", join(more(ws.OpPing, "a"), last("b")), nil, 1002},
		{"5.2 pong in two fragments", join(more(ws.OpPong, "a"), last("b")), nil, 1002},
		{"5 close in two fragments", join(more(ws.OpClose, "\x03\xe8"), last("b")), nil, 1002},
		{"5.3 text in two", join(more(ws.OpText, "frag"), last("ment")), []string{"text:fragment"}, 0},
		{"5.6 ping between fragments", join(more(ws.OpText, "frag"), ping("p"), last("ment")), []string{"ping:p", "text:fragment"}, 0},
		{"5 close between fragments", join(more(ws.OpText, "frag"), closing1(1000, ""), last("ment")), nil, 1000},
		{"5.9 continuation of nothing", join(last("a"), text("b")), nil, 1002},
		{"5.10 the same, not final", join(cont("a"), text("b")), nil, 1002},
		{"5.12 continuation after a whole message", join(text("a"), last("b")), []string{"text:a"}, 1002},
		{"5.15 continuation after the last", join(more(ws.OpText, "a"), last("b"), cont("c"), text("d")), []string{"text:ab"}, 1002},
		{"5.18 text inside a fragmented text", join(more(ws.OpText, "a"), text("b")), nil, 1002},
		{"5 binary inside a fragmented text", join(more(ws.OpText, "a"), more(ws.OpBinary, "b")), nil, 1002},
		{"5.19 text in five with two pings", join(more(ws.OpText, "1"), cont("2"), ping("p"), cont("3"), cont("4"), ping("q"), last("5")), []string{"ping:p", "ping:q", "text:12345"}, 0},
		{"5 binary in three, empty ends", join(more(ws.OpBinary, ""), cont("\xff"), last("")), []string{"binary:\xff"}, 0},
		{"5 as many fragments as allowed", join(more(ws.OpText, ""), bytes.Repeat(cont(""), 6), last("x")), []string{"text:x"}, 0},
		{"5 endless empty fragments", join(more(ws.OpText, ""), bytes.Repeat(cont(""), 100)), nil, 1008},

		{"6.1.1 empty text", text(""), []string{"text:"}, 0},
		{"6.1.2 three empty fragments", join(more(ws.OpText, ""), cont(""), last("")), []string{"text:"}, 0},
		{"6.1.3 the middle is not empty", join(more(ws.OpText, ""), cont("x"), last("")), []string{"text:x"}, 0},
		{"6.2.1 UTF-8", text("Hello-µ@ßöäüàá-UTF-8!!"), []string{"text:Hello-µ@ßöäüàá-UTF-8!!"}, 0},
		{"6.2.2 cut between characters", join(more(ws.OpText, "Hello-µ@ßöä"), last("üàá-UTF-8!!")), []string{"text:Hello-µ@ßöäüàá-UTF-8!!"}, 0},
		{"6.2.3 a frame a byte", oneByteFragments("Hello-µ@ßöä"), nil, 1008}, // 14 fragments, 8 allowed
		{"6.2.4 a frame a byte", oneByteFragments("µ𐍈"), []string{"text:µ𐍈"}, 0},
		{"6.3.1 surrogate in the middle", text(kappa + "\xed\xa0\x80edited"), nil, 1007},
		{"6.3.2 the same in fragments", join(more(ws.OpText, kappa+"\xed"), cont("\xa0\x80"), last("edited")), nil, 1007},
		{"6.4.1 beyond U+10FFFF", join(more(ws.OpText, kappa), cont("\xf4\x90\x80\x80"), last("edited")), nil, 1007},
		{"6.4.2 the same, cut inside the character", join(more(ws.OpText, kappa+"\xf4"), cont("\x90"), last("")), nil, 1007},
		{"6.6 the text ends inside a character", text("\xce"), nil, 1007},
		{"6.6 the last fragment ends inside a character", join(more(ws.OpText, "\xce"), last("")), nil, 1007},
		{"6.6.11 whole", text(kappa), []string{"text:" + kappa}, 0},
		{"6.7 first of each length", text("\x00\u0080\u0800\U00010000"), []string{"text:\x00\u0080\u0800\U00010000"}, 0},
		{"6.9 last of each length", text("\x7f\u07ff\uffff\U0010ffff"), []string{"text:\x7f\u07ff\uffff\U0010ffff"}, 0},
		{"6.8 of five bytes", text("\xf8\x88\x80\x80\x80"), nil, 1007},
		{"6.10 first beyond the last", text("\xf4\x90\x80\x80"), nil, 1007},
		{"6.11 either side of the surrogates", text("\ud7ff\ue000"), []string{"text:\ud7ff\ue000"}, 0},
		{"6.12 continuation byte alone", text("\x80"), nil, 1007},
		{"6.13 lead bytes, each with a blank", text("\xc2 \xc3 "), nil, 1007},
		{"6.15 several cut off", text("\xdf\xef\xbf\xf7\xbf\xbf"), nil, 1007},
		{"6.16 0xfe", text("\xfe"), nil, 1007},
		{"6.17 overlong /", text("\xc0\xaf"), nil, 1007},
		{"6.18 overlong of three", text("\xe0\x9f\xbf"), nil, 1007},
		{"6.19 overlong NUL of four", text("\xf0\x80\x80\x80"), nil, 1007},
		{"6.20 low surrogate", text("\xed\xbf\xbf"), nil, 1007},
		{"6.22 noncharacters are characters", text("\ufdd0\ufffe\U0001fffe"), []string{"text:\ufdd0\ufffe\U0001fffe"}, 0},
		{"6 not UTF-8 is good binary", binary1("\xff\xfe"), []string{"binary:\xff\xfe"}, 0},

		{"7.1.1 text, then close", join(text("a"), closing1(1000, "")), []string{"text:a"}, 1000},
		{"7.1.2 two closes", join(closing1(1000, ""), closing1(1001, "")), nil, 1000},
		{"7.1.3 ping after close", join(closing1(1000, ""), ping("")), nil, 1000},
		{"7.1.4 text after close", join(closing1(1000, ""), text("a")), nil, 1000},
		{"7.3.1 empty close", whole1(ws.OpClose, ""), nil, CodeNoStatus},
		{"7.3.2 close of one byte", whole1(ws.OpClose, "\x03"), nil, 1002},
		{"7.3.3 close with a code", closing1(1000, ""), nil, 1000},
		{"7.3.4 close with a reason", closing1(1000, "bye"), nil, 1000},
		{"7.3.5 close with the longest reason", closing1(1000, long(123)), nil, 1000},
		{"7.3.6 longer", closing1(1000, long(124)), nil, 1002},
		{"7.5.1 reason that is not UTF-8", closing1(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), nil, 1007},

		{"lengths: 16 bits for 125", cut{fin: true, op: ws.OpBinary, payload: long(125), lenBytes: 2}.bytes(), nil, 1002},
		{"lengths: 64 bits for 65535", cut{fin: true, op: ws.OpBinary, payload: long(65535), lenBytes: 8}.bytes()[:100], nil, 1002},
		{"lengths: 64 bits for 0", cut{fin: true, op: ws.OpBinary, lenBytes: 8}.bytes(), nil, 1002},
		{"lengths: top bit", cut{fin: true, op: ws.OpBinary, lenBytes: 8, announce: -1 << 63}.bytes(), nil, 1002},
		{"lengths: control frame with 16 bits", cut{fin: true, op: ws.OpPing, lenBytes: 2, payload: "a"}.bytes(), nil, 1002},
		{"lengths: 63 bits are too big, not malformed", cut{fin: true, op: ws.OpBinary, lenBytes: 8, announce: 1<<63 - 1}.bytes(), nil, 1009},
		{"not masked", cut{fin: true, op: ws.OpText, payload: "a", unmasked: true}.bytes(), nil, 1002},
		{"a close that is not masked", cut{fin: true, op: ws.OpClose, unmasked: true}.bytes(), nil, 1002},
		{"too big in one frame", cut{fin: true, op: ws.OpText, announce: 1<<17 + 1, payload: "a"}.bytes(), nil, 1009},
		{"too big in two", join(more(ws.OpBinary, "a"), cut{fin: true, announce: 1 << 17}.bytes()), nil, 1009},
		{"announced and never sent", cut{fin: true, op: ws.OpBinary, announce: 1 << 17, payload: "a"}.bytes(), nil, 0},
	}
	for code := range Code(5100) {
		want := Code(1002)
		if code.Sendable() {
			want = code
		}
		switch code { // the codes of Autobahn 7.7 and 7.9, the ends of the ranges and what lies beyond
		case 0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016,
			1100, 1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000:
			cases = append(cases, decoderCase{fmt.Sprintf("7.7 and 7.9 code %d", code), closing1(code, ""), nil, want})
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := outcome{events: c.events, code: c.code}
			check := func(how string, pieces ...[]byte) {
				got, _ := decodeStream(small, pieces...)
				if got.code != want.code || !slices.Equal(got.events, want.events) {
					t.Fatalf("%s: %v, want %v", how, got, want)
				}
			}
			check("whole", c.stream)
			check("byte by byte", eachByte(c.stream)...)
			for i := 1; i < len(c.stream); i++ {
				check(fmt.Sprintf("cut at %d", i), c.stream[:i], c.stream[i:])
			}
		})
	}
}

type decoderCase struct {
	name   string
	stream []byte
	events []string
	code   Code
}

var allBytes = func() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()

// oneByteFragments is s with a frame for each byte and an empty one at the end.
func oneByteFragments(s string) []byte {
	all := more(ws.OpText, s[:1])
	for i := 1; i < len(s); i++ {
		all = append(all, cont(s[i:i+1])...)
	}
	return append(all, last("")...)
}

// TestDecoderLarge streams messages that are many reads long.
func TestDecoderLarge(t *testing.T) {
	max := limits{message: 1 << 20, fragments: 1 << 20}
	want := strings.Repeat("Hello-µ@ßöäüàá-UTF-8!!𐍈", 6_000)[:150_000]
	want = strings.ToValidUTF8(want, "")
	streams := map[string][]byte{
		"one frame": text(want),
		"two":       join(more(ws.OpText, want[:70_001]), last(want[70_001:])),
	}
	var many []byte
	for at := 0; at < len(want); at += 61 {
		op := ws.OpContinuation
		if at == 0 {
			op = ws.OpText
		}
		many = append(many, more(op, want[at:min(at+61, len(want))])...)
	}
	streams["frames of 61 bytes"] = append(many, last("")...)
	for name, stream := range streams {
		for _, size := range []int{7, 1000, 4096, 65536, len(stream)} {
			var pieces [][]byte
			for p := range slices.Chunk(stream, size) {
				pieces = append(pieces, bytes.Clone(p))
			}
			got, _ := decodeStream(max, pieces...)
			if len(got.events) != 1 || got.events[0] != "text:"+want || got.code != 0 {
				t.Errorf("%s in pieces of %d: %d events, code %d %s", name, size, len(got.events), got.code, got.reason)
			}
		}
	}
}

// TestDecoderFailsAtOnce pins the byte at which a verdict is certain: it comes
// with that byte, not with the end of the frame or the message (Autobahn 6.4).
func TestDecoderFailsAtOnce(t *testing.T) {
	max := limits{message: 1000, fragments: 4}
	for _, c := range []struct {
		name   string
		stream []byte
		at     int // bytes that must be there
		code   Code
	}{
		{"reserved opcode", whole1(3, "abc"), 2, 1002},
		{"not masked", cut{fin: true, op: ws.OpText, payload: "abc", unmasked: true}.bytes(), 2, 1002},
		{"control of 126", ping(strings.Repeat("x", 126)), 2, 1002},
		{"length not minimal", cut{fin: true, op: ws.OpBinary, payload: "abc", lenBytes: 2}.bytes(), 4, 1002},
		{"top bit", cut{fin: true, op: ws.OpBinary, lenBytes: 8, announce: -1}.bytes(), 10, 1002},
		{"too big", cut{fin: true, op: ws.OpBinary, announce: 1001}.bytes(), 8, 1009},
		{"second fragment too big", join(more(ws.OpText, "ab"), cut{op: 0, announce: 999}.bytes()), 8 + 8, 1009},
		{"0xff in the middle of a frame", text("abc\xffdefgh"), 6 + 4, 1007},
		{"surrogate, certain with its second byte", text("ab\xed\xa0\x80defgh"), 6 + 4, 1007},
		{"beyond U+10FFFF, certain with its second byte", text("\xf4\x90\x80\x80"), 6 + 2, 1007},
		{"overlong, certain with its first byte", text("a\xc0\xafbc"), 6 + 2, 1007},
		{"character broken off in the next fragment", join(more(ws.OpText, "a\xe2\x82"), cont("x"), last("")), 9 + 7, 1007},
		{"cut off by the end", join(more(ws.OpText, "a\xe2\x82"), last("")), 9 + 6, 1007},
		{"new message inside another", join(more(ws.OpText, "a"), text("b")), 7 + 2, 1002},
		{"one fragment more than allowed", join(more(ws.OpText, ""), cont(""), cont(""), cont(""), cont("")), 5 * 6, 1008},
	} {
		got, certain := decodeStream(max, eachByte(c.stream)...)
		if got.code != c.code || certain != c.at {
			t.Errorf("%s: code %d after %d bytes, want %d after %d", c.name, got.code, certain, c.code, c.at)
		}
	}
}

// TestDecoderReservesNothing sends the beginning of huge messages: what a
// decoder holds is what has come.
func TestDecoderReservesNothing(t *testing.T) {
	max := limits{message: 1 << 40, fragments: 1 << 20}
	d := decoder{limits: &max}
	defer d.reset()
	p := cut{fin: true, op: ws.OpBinary, announce: 1 << 39, payload: "abc"}.bytes()
	if allocs := testing.AllocsPerRun(10, func() {
		if _, n, err := d.next(bytes.Clone(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		if c := cap(d.msg.buf.Peek()); c > 64<<10 {
			t.Fatalf("%d bytes held for 3", c)
		}
		d.reset()
	}); allocs > 5 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestDecoderInPlace checks that a message that is whole is delivered where it
// lies, and that the decoder then keeps nothing.
func TestDecoderInPlace(t *testing.T) {
	max := limits{message: 1 << 20, fragments: 8}
	d := decoder{limits: &max}
	p := join(text("hello"), text("world"))
	ev, n, err := d.next(p)
	if err != nil || n != 11 || string(ev.payload) != "hello" || &ev.payload[0] != &p[6] || d.msg != nil {
		t.Fatal(ev, n, err, d.msg)
	}
	if allocs := testing.AllocsPerRun(100, func() {
		mask(p[6:11], wireKey, 0)
		d.next(p)
		d.done()
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
