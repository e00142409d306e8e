package ws

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

// FuzzDecoder holds a stream in one piece against the same stream cut in two at
// every byte and byte by byte: same messages, same verdict.
func FuzzDecoder(f *testing.F) {
	for _, s := range [][]byte{
		join(text("hello"), ping("p"), closing1(1000, "bye")),
		join(more(ws.OpText, "κό"), ping(""), cont("\xcf"), last("\x83με")),
		join(more(ws.OpBinary, "\xff"), last("\xfe"), text("\xed\xa0\x80")),
		cut{fin: true, op: ws.OpBinary, lenBytes: 8, announce: 1 << 40, payload: "x"}.bytes(),
		cut{fin: true, op: ws.OpBinary, lenBytes: 2, payload: "x"}.bytes(),
		binary1(allBytes),
		bytes.Repeat(more(ws.OpText, ""), 3),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > 512 {
			return
		}
		max := limits{message: 300, fragments: 5}
		want, _ := decodeStream(max, bytes.Clone(stream))
		if want.code != 0 && !want.code.Sendable() && want.code != CodeNoStatus {
			t.Fatalf("verdict %d must not be sent", want.code)
		}
		if got, _ := decodeStream(max, eachByte(stream)...); !got.same(want) {
			t.Fatalf("byte by byte %v, whole %v", got, want)
		}
		for i := 1; i < len(stream); i++ {
			if got, _ := decodeStream(max, stream[:i], stream[i:]); !got.same(want) {
				t.Fatalf("cut at %d %v, whole %v", i, got, want)
			}
		}
	})
}
