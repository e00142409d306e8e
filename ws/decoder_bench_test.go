package ws

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/gobwas/ws"
)

// BenchmarkDecoder decodes messages that lie whole in one read of 64 KiB. Each
// round first masks again what the round before unmasked.
func BenchmarkDecoder(b *testing.B) {
	for _, op := range []Op{OpBinary, OpText} {
		for _, n := range []int{16, 125, 1000, 60_000} {
			b.Run(fmt.Sprintf("%s/%d", opNames[op], n), func(b *testing.B) {
				one := whole1(op, string(bytes.Repeat([]byte("x"), n)))
				all := bytes.Repeat(one, 64<<10/len(one))
				max := limits{message: 1 << 20, fragments: 1}
				d := decoder{limits: &max}
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for i := 0; i < b.N; {
					for p := all; len(p) > 0 && i < b.N; i++ {
						ev, size, err := d.next(p)
						if err != nil || ev.op != ws.OpCode(op) {
							b.Fatal(err)
						}
						d.done()
						mask(ev.payload, wireKey, 0)
						p = p[size:]
					}
				}
			})
		}
	}
}

// BenchmarkEcho is a round of 64 messages of 125 bytes in one segment, divided by
// 64: what is left of the kernel's share is the package's own.
func BenchmarkEcho(b *testing.B) {
	const batch = 64
	c := dial(b, start(b, echo{}, WithKeepalive(0, 0)))
	sent := bytes.Repeat(binary1(string(bytes.Repeat([]byte("x"), 125))), batch)
	got := make([]byte, batch*127)
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		c.write(sent)
		if _, err := io.ReadFull(c.r, got); err != nil {
			b.Fatal(err)
		}
	}
}
