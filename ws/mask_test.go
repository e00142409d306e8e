package ws

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestMask(t *testing.T) {
	for n := range 600 {
		for off := range int64(5) {
			got := make([]byte, n+2)
			for i := range got {
				got[i] = byte(rand.Uint32())
			}
			want := bytes.Clone(got)
			for i := range n { // RFC 6455 section 5.3
				want[i+1] ^= testKey[(int64(i)+off)%4]
			}
			mask(got[1:n+1], wireKey, off)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes at offset %d", n, off)
			}
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{8, 125, 1 << 10, 64 << 10} {
		p := make([]byte, n+6)[6:]
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				mask(p, wireKey, 0)
			}
		})
	}
}
