package ws

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// jsonLike is n bytes as a feed of prices has them: what compression is for.
func jsonLike(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, 0, n+128)
	for len(p) < n {
		p = fmt.Appendf(p, `{"id":%d,"symbol":"%c%c%c","price":%d.%02d,"volume":%d,"side":"%s","time":"2026-01-02T15:04:%02d.%03dZ"},`,
			r.IntN(1e6), 'A'+r.IntN(26), 'A'+r.IntN(26), 'A'+r.IntN(26), r.IntN(1000), r.IntN(100), r.IntN(1e5),
			[]string{"buy", "sell"}[r.IntN(2)], r.IntN(60), r.IntN(1000))
	}
	return p[:n]
}

func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// stdInflate is the second opinion on p, a message's payload: what the standard
// library makes of p and its tail behind dict, under the same rules about final
// blocks.
func stdInflate(p, dict []byte) ([]byte, error) {
	in := bytes.NewReader(append(bytes.Clone(p), messageTail...))
	var out bytes.Buffer
	for {
		if _, err := io.Copy(&out, stdflate.NewReaderDict(in, dict)); err != nil {
			return out.Bytes(), err
		}
		if in.Len() == 0 || in.Len() == len(messageTail) {
			return out.Bytes(), nil
		}
		dict = nil
	}
}

// stdDeflate compresses as RFC 7692 section 7.2.1 has it, by the standard
// library.
func stdDeflate(t testing.TB, p, dict []byte, level int) []byte {
	var b bytes.Buffer
	w, err := stdflate.NewWriterDict(&b, level, dict)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(p)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(flushTail))
}

// codecs are the ends of one direction.
func codecs(level int, p deflateDirection) (*compressor, *decompressor) {
	c, d := newCompressor(&Deflate{Level: level}, p), newDecompressor(p)
	return &c, &d
}

var testSizes = []int{0, 1, 125, 126, 255, 256, 257, 1000, 4 << 10, 64 << 10, 1 << 20}

// TestDeflateRoundTrip sends messages of all sizes, and reads each by our
// inflater and by the standard library's, which knows no more than the window
// that was agreed on; the distances are looked at, too.
func TestDeflateRoundTrip(t *testing.T) {
	for bits := uint8(minWindowBits); bits <= maxWindowBits; bits++ {
		for _, takeover := range []bool{false, true} {
			for _, level := range levelsFrom(1) {
				if level > 1 && bits != maxWindowBits && bits != 10 {
					continue
				}
				t.Run(fmt.Sprintf("bits=%d/takeover=%v/level=%d", bits, takeover, level), func(t *testing.T) {
					roundTrip(t, level, deflateDirection{takeover, bits})
				})
			}
		}
	}
}

// levelsFrom are the levels of compression from first on, under the race detector
// every third one.
func levelsFrom(first int) (levels []int) {
	step := 1
	if underRace() {
		step = 3
	}
	for level := first; level <= 9; level += step {
		levels = append(levels, level)
	}
	return levels
}

func roundTrip(t *testing.T, level int, params deflateDirection) {
	c, d := codecs(level, params)
	defer c.free()
	defer d.free()
	var history []byte // what the peer's window holds
	for i, n := range append(testSizes, 300, 300, 5000) {
		if n > 4<<10 && params.bits != maxWindowBits && params.bits != 10 || n > 64<<10 && level > 1 {
			continue // the checks take their time
		}
		for _, p := range [][]byte{jsonLike(n, uint64(i)), noise(n, uint64(i)), bytes.Repeat([]byte("ab"), n)[:n]} {
			prefix := []byte("before")
			z, smaller := c.compress(prefix, p)
			if !bytes.HasPrefix(z, []byte("before")) {
				t.Fatal("what was there is gone")
			}
			if z = z[len(prefix):]; !smaller {
				if len(z) != 0 {
					t.Fatalf("%d bytes for nothing", len(z))
				}
				continue
			}
			if len(z) >= len(p) {
				t.Fatalf("%d bytes became %d", len(p), len(z))
			}
			checkDistance(t, z, params.bits)
			checkInflated(t, d, z, p, history)
			if params.takeover {
				history = lastBytes(append(history, p...), 1<<params.bits)
			}
		}
	}
	if got := c.window.bytes(); !bytes.Equal(got, history) {
		t.Errorf("the compressor's window has %d bytes, not the last %d", len(got), len(history))
	}
}

func lastBytes(p []byte, n int) []byte { return p[max(0, len(p)-n):] }

func checkDistance(t *testing.T, z []byte, bits uint8) {
	t.Helper()
	if bits == maxWindowBits {
		return // DEFLATE knows no greater distance
	}
	if far, err := farthest(append(bytes.Clone(z), flushTail...)); err != nil || far > 1<<bits {
		t.Fatalf("distance %d with %d bits, %v", far, bits, err)
	}
}

func checkInflated(t *testing.T, d *decompressor, z, p, history []byte) {
	t.Helper()
	out, v := d.inflate([]byte("before"), z, int64(len(p)), nil)
	if v != nil || string(out) != "before"+string(p) {
		t.Fatalf("%d bytes became %d: %v", len(p), len(out)-len("before"), v)
	}
	if out, err := stdInflate(z, history); err != nil || !bytes.Equal(out, p) {
		t.Fatalf("by the standard library %d bytes became %d: %v", len(p), len(out), err)
	}
}

// TestInflateStandardLibrary inflates what the standard library compresses, at
// every level, with a window kept and without.
func TestInflateStandardLibrary(t *testing.T) {
	for _, level := range levelsFrom(-2) {
		for _, takeover := range []bool{false, true} {
			_, d := codecs(1, deflateDirection{takeover, maxWindowBits})
			var history []byte
			for i, n := range testSizes[:len(testSizes)-1] {
				for _, p := range [][]byte{jsonLike(n, uint64(i)), noise(n, uint64(i))} {
					if out, v := d.inflate(nil, stdDeflate(t, p, history, level), int64(n), nil); v != nil || !bytes.Equal(out, p) {
						t.Fatalf("level %d, takeover %v: %d bytes became %d: %v", level, takeover, n, len(out), v)
					}
					if takeover {
						history = lastBytes(append(history, p...), 1<<maxWindowBits)
					}
				}
			}
			d.free()
		}
	}
}

// TestDeflateParts writes messages in fragments, and one in one piece behind each: a
// fragment can be inflated as far as it goes, and the whole is one message.
func TestDeflateParts(t *testing.T) {
	for _, bits := range []uint8{8, 9, 12, 15} {
		for _, takeover := range []bool{false, true} {
			params := deflateDirection{takeover, bits}
			c, d := codecs(1, params)
			var history []byte
			for i, cut := range [][]int{{}, {0}, {1}, {5, 0, 5}, {300, 20, 300}, {4 << 10, 100 << 10}, {70 << 10, 3, 70 << 10}} {
				var p, z []byte
				c.begin()
				for _, n := range cut {
					part := jsonLike(n, uint64(i))
					p = append(p, part...)
					z = c.write(z, part)
					got, _ := io.ReadAll(stdflate.NewReaderDict(bytes.NewReader(z), history))
					if !bytes.Equal(got, p) {
						t.Fatalf("%v: after %d bytes %d can be read", cut, len(p), len(got))
					}
				}
				if z = c.end(z); c.stream != nil {
					t.Fatal("a deflater is held between messages")
				}
				checkDistance(t, z, bits)
				checkInflated(t, d, z, p, history)
				if takeover {
					history = lastBytes(append(history, p...), 1<<bits)
				}
				p = jsonLike(2000, uint64(i))
				z, _ = c.compress(nil, p)
				checkInflated(t, d, z, p, history)
				if takeover {
					history = lastBytes(append(history, p...), 1<<bits)
				}
			}
			c.free()
			d.free()
		}
	}
}

// TestDeflateNote mixes messages compressed once for many with a connection's
// own: both windows move on alike.
func TestDeflateNote(t *testing.T) {
	for _, bits := range []uint8{9, 15} {
		c, d := codecs(1, deflateDirection{true, bits})
		var history []byte
		for i := range 10 {
			p := jsonLike(700, uint64(i/3))
			var z []byte
			var smaller bool
			if i%2 == 0 {
				if z, smaller = deflateOnce(nil, p, 6, bits); smaller {
					c.note(p)
				}
			} else {
				z, smaller = c.compress(nil, p)
			}
			if !smaller {
				t.Fatal("not smaller")
			}
			checkInflated(t, d, z, p, history)
			history = lastBytes(append(history, p...), 1<<bits)
		}
		if !bytes.Equal(c.window.bytes(), history) || !bytes.Equal(d.window.bytes(), history) {
			t.Error("the windows differ")
		}
	}
}

// TestDeflateTakeoverPays: a message that came before is little more than a
// reference to it, and without takeover as long as the first.
func TestDeflateTakeoverPays(t *testing.T) {
	p := jsonLike(600, 1)
	for _, bits := range []uint8{10, 12, 15} {
		c, _ := codecs(1, deflateDirection{true, bits})
		first, _ := c.compress(nil, p)
		again, _ := c.compress(nil, p)
		if len(again)*4 > len(first) {
			t.Errorf("%d bits: %d bytes, and again %d", bits, len(first), len(again))
		}
		c, _ = codecs(1, deflateDirection{false, bits})
		first, _ = c.compress(nil, p)
		if again, _ = c.compress(nil, p); !bytes.Equal(first, again) || c.window.bytes() != nil {
			t.Errorf("%d bits: a window is kept without takeover", bits)
		}
	}
}

// TestWindowHoldsTheLast checks the window against a plain history, and that its
// storage is no larger than it has to be.
func TestWindowHoldsTheLast(t *testing.T) {
	for _, bits := range []uint8{8, 9, 15} {
		var w window
		var history []byte
		for i, n := range []int{0, 1, 100, 155, 1, 300, 0, 511, 512, 513, 4000, 40_000, 5, 32_768, 32_767, 2} {
			p := noise(n, uint64(i))
			w.add(p, bits)
			history = lastBytes(append(history, p...), 1<<bits)
			if !bytes.Equal(w.bytes(), history) {
				t.Fatalf("%d bits, step %d: %d bytes, not the last %d", bits, i, len(w.bytes()), len(history))
			}
			if c := cap(w.bytes()); c > max(1<<minWindowBits, 2*len(history)) || c > 1<<bits {
				t.Fatalf("%d bytes take %d", len(history), c)
			}
		}
		w.free()
		if w.free(); w.buf != nil {
			t.Error("the window is not free")
		}
	}
}
