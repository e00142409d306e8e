package ws

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// messages is a feed of n messages of a size, all different.
func messages(n, size int) [][]byte {
	m := make([][]byte, n)
	for i := range m {
		m[i] = jsonLike(size, uint64(i))
	}
	return m
}

// BenchmarkDeflate is what Deflate's documentation has its figures from: time
// for each message, and what is left of it.
func BenchmarkDeflate(b *testing.B) {
	for _, size := range []int{64, 128, 256, 512, 1024, 4096, 64 << 10} {
		for _, level := range []int{1, 3, 5, 6, 9} {
			for _, params := range []deflateDirection{{false, 15}, {true, 15}, {true, 12}, {true, 10}} {
				if params.bits < 15 && (level > 1 || size > 4096) || params.takeover && size > 4096 {
					continue
				}
				b.Run(fmt.Sprintf("size=%d/level=%d/takeover=%v/bits=%d", size, level, params.takeover, params.bits), func(b *testing.B) {
					c, _ := codecs(level, params)
					defer c.free()
					all := messages(100+128<<10/size, size) // no window holds them all
					var z []byte
					total := 0
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						var smaller bool
						if z, smaller = c.compress(z[:0], all[i%len(all)]); smaller {
							total += len(z)
						} else {
							total += size
						}
					}
					b.ReportMetric(100*float64(total)/float64(b.N*size), "%left")
				})
			}
		}
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{64, 256, 1024, 4096, 64 << 10, 1 << 20} {
		for _, params := range []deflateDirection{{false, 15}, {true, 15}, {true, 12}} {
			b.Run(fmt.Sprintf("size=%d/takeover=%v/bits=%d", size, params.takeover, params.bits), func(b *testing.B) {
				c, _ := codecs(1, params)
				_, d := codecs(1, params)
				defer c.free()
				defer d.free()
				c.begin() // whatever the size, it is compressed
				z := c.end(c.write(nil, jsonLike(size, 1)))
				var out []byte
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					out, _ = d.inflate(out[:0], z, 1<<30, nil)
				}
				if len(out) != size {
					b.Fatal(len(out))
				}
			})
		}
	}
}

// BenchmarkCodecMemory is what a deflater of each level, an inflater, and a
// connection with takeover each way hold, in bytes of heap.
func BenchmarkCodecMemory(b *testing.B) {
	p := jsonLike(100_000, 1)
	measure := func(name string, make func() any) {
		b.Run(name, func(b *testing.B) {
			held := []any{make()} // what is made once
			before := heap()
			for b.Loop() {
				held = append(held, make())
			}
			b.ReportMetric(float64(heap()-before)/float64(b.N), "B/each")
			runtime.KeepAlive(held)
		})
	}
	for _, level := range []int{1, 2, 3, 4, 5, 6, 7, 9, -1 << 12} {
		measure(fmt.Sprintf("deflater/level=%d", level), func() any {
			z := newDeflater(new(sync.Pool), level, nil)
			z.add(p)
			z.out = nil
			return z
		})
	}
	measure("inflater", func() any {
		z := inflaters.New().(*inflater)
		z.limit = 1 << 20
		if v := z.inflate(stdDeflate(b, p, nil, 6), nil); v != nil {
			b.Fatal(v)
		}
		z.out, z.source = nil, source{}
		return z
	})
	for _, params := range []deflateDirection{{false, 15}, {true, 15}, {true, 12}, {true, 10}, {true, 9}} {
		measure(fmt.Sprintf("connection/takeover=%v/bits=%d", params.takeover, params.bits), func() any {
			c, d := codecs(1, params)
			z, _ := c.compress(nil, p)
			if _, v := d.inflate(nil, z, 1<<20, nil); v != nil {
				b.Fatal(v)
			}
			return [2]any{c, d}
		})
	}
}

// heap is what is held, the pools emptied: they let go at the second collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
