package ws

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// streams is what the fuzz targets begin with, as a client sends it.
var streams = [][]byte{
	join(text("hello"), ping("p"), closing1(1000, "bye")),
	join(more(ws.OpText, "κό"), ping(""), cont("\xcf"), last("\x83με")),
	join(more(ws.OpBinary, "\xff"), last("\xfe"), text("\xed\xa0\x80")),
	join(more(ws.OpText, ""), cont(""), last(""), text("")),
	cut{fin: true, op: ws.OpBinary, lenBytes: 8, announce: 1 << 40, payload: "x"}.bytes(),
	cut{fin: true, op: ws.OpBinary, lenBytes: 2, payload: "x"}.bytes(),
	cut{fin: true, rsv: 4, op: ws.OpText, payload: "\xff"}.bytes(),
	join(cut{fin: true, op: ws.OpText, payload: "of a server", unmasked: true}.bytes(), cut{fin: true, op: ws.OpPing, unmasked: true}.bytes()),
	join(cut{op: ws.OpText, payload: "κ\xcf", unmasked: true}.bytes(), cut{fin: true, payload: "\x83", unmasked: true}.bytes(), text("masked")),
	binary1(allBytes),
	bytes.Repeat(more(ws.OpText, ""), 3),
}

// FuzzDecoder holds a stream in one piece against the same stream cut in two at
// every byte and byte by byte: same messages, same verdict; for a server and for a
// client, with and without compression.
func FuzzDecoder(f *testing.F) {
	for _, s := range streams {
		for m := range fromServer | compressed + 1 {
			f.Add(s, byte(m))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, m byte) {
		if len(stream) > 512 {
			return
		}
		fuzzSplits(t, stream, mode(m)&(fromServer|compressed), false)
	})
}

// FuzzPieces holds the pieces of messages, put together, against the whole messages,
// wherever the stream is cut.
func FuzzPieces(f *testing.F) {
	for _, s := range streams {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, client bool) {
		if len(stream) > 512 {
			return
		}
		m := mode(0)
		if client {
			m = fromServer
		}
		fuzzSplits(t, stream, m, true)
		checkPieces(t, stream, m)
	})
}

var fuzzLimits = limits{message: 300, fragments: 5}

// fuzzSplits compares with the stream in one piece and whole messages.
func fuzzSplits(t *testing.T, stream []byte, m mode, pieces bool) {
	want, _ := decodeBy(&decoder{limits: &fuzzLimits, mode: m}, stream)
	if want.code != 0 && !want.code.Sendable() && want.code != CodeNoStatus {
		t.Fatalf("verdict %d must not be sent", want.code)
	}
	decode := func(parts ...[]byte) outcome {
		out, _ := decodeBy(&decoder{limits: &fuzzLimits, mode: m, pieces: pieces}, parts...)
		return out
	}
	if got := decode(stream); !got.same(want) {
		t.Fatalf("at once %v, want %v", got, want)
	}
	if got := decode(eachByte(stream)...); !got.same(want) {
		t.Fatalf("byte by byte %v, want %v", got, want)
	}
	for i := 1; i < len(stream); i++ {
		if got := decode(stream[:i], stream[i:]); !got.same(want) {
			t.Fatalf("cut at %d %v, want %v", i, got, want)
		}
	}
}

// checkPieces holds each piece against what OnFragment promises: none is empty but
// the last of a message, and what came so far of a text can become valid.
func checkPieces(t *testing.T, stream []byte, m mode) {
	d := decoder{limits: &fuzzLimits, mode: m, pieces: true}
	defer d.reset()
	var in reactor.Buffer
	defer in.RetrieveAll()
	var begun []byte
	for i := range stream {
		in.Append(stream[i : i+1])
		for {
			ev, n, err := d.next(in.Peek())
			if err != nil || ev.op == ws.OpClose {
				return
			}
			if n == 0 {
				break
			}
			if ev.op == ws.OpText || ev.op == ws.OpBinary {
				begun = append(begun, ev.payload...)
				switch n, ok := checkUTF8(begun); {
				case len(ev.payload) == 0 && !ev.last:
					t.Fatal("an empty piece that ends nothing")
				case ev.op == ws.OpBinary:
				case !ok || ev.last && (n < len(begun) || !utf8.Valid(begun)):
					t.Fatalf("%q was delivered", begun)
				}
				if ev.last {
					begun = nil
				}
			}
			in.Retrieve(n)
			d.done()
		}
		if d.msg != nil && d.msg.buf.Len() > 0 {
			t.Fatal("a decoder that delivers pieces holds some")
		}
	}
}
