package ws

import (
	"bytes"
	stdflate "compress/flate"
	"math"
	"strings"
	"testing"
	"unsafe"
)

// finalBlocks is p as a whole DEFLATE stream, its last block final, as zlib makes
// it with Z_FINISH.
func finalBlocks(t testing.TB, p string) string {
	var b bytes.Buffer
	w, err := stdflate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(p))
	w.Close()
	return b.String()
}

// The examples of RFC 7692 section 7.2.3 and what else a peer may send.
func TestInflate(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	final := "\xf3\x48\xcd\xc9\xc9\x07\x00"
	stored := "\x00\x05\x00\xfa\xffHello"
	for name, tt := range map[string]struct{ payload, want string }{
		"7.2.3.1 one block":                         {hello, "Hello"},
		"7.2.3.3 no compression":                    {stored + "\x00", "Hello"},
		"7.2.3.4 BFINAL":                            {final + "\x00", "Hello"},
		"7.2.3.4 BFINAL, its octet missing":         {final, "Hello"},
		"7.2.3.4 BFINAL, then another":              {final + final + "\x00", "HelloHello"},
		"7.2.3.4 BFINAL, then one that is not":      {final + hello, "HelloHello"},
		"7.2.3.4 BFINAL of dynamic codes":           {finalBlocks(t, string(jsonLike(5000, 1))) + "\x00", string(jsonLike(5000, 1))},
		"7.2.3.4 BFINAL, empty":                     {"\x03\x00\x00", ""},
		"7.2.3.4 BFINAL, stored":                    {"\x01\x05\x00\xfa\xffHello\x00", "Hello"},
		"7.2.3.5 two blocks":                        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		"7.2.3.6 empty":                             {"\x00", ""},
		"7.2.3.6 empty, of fixed codes":             {"\x02\x00", ""},
		"empty blocks before":                       {strings.Repeat("\x00\x00\x00\xff\xff", 1000) + hello, "Hello"},
		"a stored block that takes the tail for it": {"\x00\x04\x00\xfb\xff", flushTail},
	} {
		_, d := codecs(1, deflateDirection{false, 15})
		out, v := d.inflate([]byte("x"), []byte(tt.payload), int64(len(tt.want)), nil)
		if v != nil || string(out) != "x"+tt.want {
			t.Errorf("%s: %.40q, %v", name, out, v)
		}
		if std, err := stdInflate([]byte(tt.payload), nil); err != nil || string(std) != tt.want {
			t.Errorf("%s: the standard library says %.40q, %v", name, std, err)
		}
	}
}

// TestInflateTakeover is RFC 7692 section 7.2.3.2: the second "Hello" refers to
// the first, also when that ended in a final block.
func TestInflateTakeover(t *testing.T) {
	const again = "\xf2\x00\x11\x00\x00"
	for _, first := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"} {
		for _, takeover := range []bool{true, false} {
			_, d := codecs(1, deflateDirection{takeover, 15})
			if out, v := d.inflate(nil, []byte(first), 5, nil); v != nil || string(out) != "Hello" {
				t.Fatalf("%q, %v", out, v)
			}
			out, v := d.inflate(nil, []byte(again), 5, nil)
			if takeover && (v != nil || string(out) != "Hello") || !takeover && v != errDeflateData {
				t.Errorf("takeover %v: %q, %v", takeover, out, v)
			}
			d.free()
		}
	}
}

// TestInflateEightBits: zlib compresses with 9 bits where 8 were agreed on.
func TestInflateEightBits(t *testing.T) {
	_, d := codecs(1, deflateDirection{true, 8})
	p := noise(500, 1)
	for range 2 {
		z := stdDeflate(t, p, d.window.bytes(), 6)
		if out, v := d.inflate(nil, z, 500, nil); v != nil || !bytes.Equal(out, p) {
			t.Fatal(v)
		}
	}
}

func TestInflateBroken(t *testing.T) {
	good := string(stdDeflate(t, jsonLike(3000, 1), nil, 6))
	for name, p := range map[string]string{
		"nothing":                          "",
		"a reserved block type":            "\x07",
		"a length that is not its inverse": "\x00\x05\x00\xfa\xfeHello\x00",
		"a stored block cut off":           "\x00\x05\x00\xfa\xffHel",
		"a stored block beyond the tail":   "\x00\x0a\x00\xf5\xffHello",
		"a distance before the beginning":  "\xf2\x00\x11\x00\x00",
		"too many codes":                   "\xfc\xff\xff",
		"its end missing":                  good[:len(good)-1],
		"cut off in the middle":            good[:len(good)/2],
		"cut off in the code lengths":      good[:20],
		"rubbish behind":                   good[:len(good)-1] + "\x00\x00\x00\xff\xff" + "rubbish",
		"rubbish behind a final block":     finalBlocks(t, "Hello") + "rubbish",
		"only the tail behind it":          "\x03\x00" + flushTail,
		"text":                             "Hello",
	} {
		_, d := codecs(1, deflateDirection{true, 15})
		if out, v := d.inflate(nil, []byte(p), 1<<20, nil); v != errDeflateData {
			t.Errorf("%s: %.40q, %v", name, out, v)
		}
		if out, err := stdInflate([]byte(p), nil); err == nil {
			t.Errorf("%s: the standard library says %.40q", name, out)
		}
		d.free()
	}
}

// TestInflateEveryCut: no message that lost its end passes for a whole one,
// unless the standard library says so too.
func TestInflateEveryCut(t *testing.T) {
	z := stdDeflate(t, jsonLike(2000, 1), nil, 6)
	_, d := codecs(1, deflateDirection{false, 15})
	for i := range z {
		out, v := d.inflate(nil, z[:i], 1<<20, nil)
		if _, err := stdInflate(z[:i], nil); (v == nil) != (err == nil) {
			t.Errorf("the first %d bytes: %v, and the standard library %v", i, v, err)
		} else if v == nil && len(out) == 2000 {
			t.Errorf("the first %d bytes are the message", i)
		}
	}
}

// TestInflateBomb: a message of 64 KiB that is 64 MiB costs no more than the limit.
func TestInflateBomb(t *testing.T) {
	var b bytes.Buffer
	w, err := stdflate.NewWriter(&b, 1)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		w.Write(zeros)
	}
	w.Flush()
	bomb := bytes.TrimSuffix(b.Bytes(), []byte(flushTail))
	for _, limit := range []int64{0, 1, 100, 32 << 10, 100_000, 1 << 20} {
		_, d := codecs(1, deflateDirection{true, 15})
		out, v := d.inflate(nil, bomb, limit, nil)
		if v != errTooBig {
			t.Errorf("limit %d: %v", limit, v)
		}
		if int64(len(out)) > limit || int64(cap(out)) > limit {
			t.Errorf("limit %d: %d bytes in %d", limit, len(out), cap(out))
		}
		if d.window.bytes() != nil {
			t.Error("the window took what was refused")
		}
		// Hundreds of empty final blocks, too, end at the limit of what is there.
		if _, v := d.inflate(nil, []byte(strings.Repeat("\x03\x00", 500)+"\x00"), limit, nil); v != nil {
			t.Errorf("limit %d: empty blocks: %v", limit, v)
		}
	}
}

// TestInflateLimit: the limit itself is allowed, and none is too great.
func TestInflateLimit(t *testing.T) {
	for _, n := range []int{0, 1, 100, 32 << 10, 32<<10 + 1, 200_000} {
		p := noise(n, 1)
		z := stdDeflate(t, p, nil, 1)
		if int64(len(z)) > maxDeflated(int64(n)) {
			t.Errorf("%d bytes became %d, more than %d", n, len(z), maxDeflated(int64(n)))
		}
		_, d := codecs(1, deflateDirection{false, 15})
		for _, limit := range []int64{int64(n), int64(n) + 1, math.MaxInt64} {
			if out, v := d.inflate(nil, z, limit, nil); v != nil || !bytes.Equal(out, p) {
				t.Errorf("%d bytes, limit %d: %v", n, limit, v)
			}
		}
		if _, v := d.inflate(nil, z, int64(n)-1, nil); n > 0 && v != errTooBig {
			t.Errorf("%d bytes, limit %d: %v", n, n-1, v)
		}
	}
	if m := maxDeflated(math.MaxInt64); m != math.MaxInt64 {
		t.Errorf("without a limit %d", m)
	}
}

// TestInflateText: UTF-8 is judged across the pieces, and before all is inflated.
func TestInflateText(t *testing.T) {
	across := strings.Repeat("κόσμε€𐍈", 20_000) // pieces of 32 KiB cut characters
	for name, tt := range map[string]struct {
		text string
		want *violation
	}{
		"empty": {"", nil}, "ASCII": {"Hello", nil}, "across pieces": {across, nil},
		"a broken byte": {"a\xffb", errUTF8}, "broken far behind": {across + "\xed\xa0\x80", errUTF8},
		"cut off": {across + "\xe2\x82", errUTF8}, "a surrogate": {"\xed\xa0\x80", errUTF8},
	} {
		_, d := codecs(1, deflateDirection{false, 15})
		out, v := d.inflateText([]byte("\xff"), stdDeflate(t, []byte(tt.text), nil, 6), 1<<20)
		if v != tt.want || v == nil && string(out) != "\xff"+tt.text {
			t.Errorf("%s: %d bytes, %v", name, len(out), v)
		}
	}
	_, d := codecs(1, deflateDirection{false, 15})
	early := "\xff" + strings.Repeat("x", 1<<20)
	if out, v := d.inflateText(nil, stdDeflate(t, []byte(early), nil, 6), 1<<30); v != errUTF8 || len(out) > 64<<10 {
		t.Errorf("found after %d bytes: %v", len(out), v)
	}
}

// TestInflateCheck: check sees all of the message in order, and its verdict ends
// the matter.
func TestInflateCheck(t *testing.T) {
	p := jsonLike(200_000, 1)
	z := stdDeflate(t, p, nil, 6)
	_, d := codecs(1, deflateDirection{false, 15})
	var seen []byte
	if _, v := d.inflate(nil, z, 1<<20, func(piece []byte) *violation {
		if len(piece) > 32<<10 {
			t.Errorf("a piece of %d bytes", len(piece))
		}
		seen = append(seen, piece...)
		return nil
	}); v != nil || !bytes.Equal(seen, p) {
		t.Errorf("%d of %d bytes seen, %v", len(seen), len(p), v)
	}
	pieces := 0
	if _, v := d.inflate(nil, z, 1<<20, func([]byte) *violation {
		pieces++
		return errTooManyFrames
	}); v != errTooManyFrames || pieces != 1 {
		t.Errorf("%v after %d pieces", v, pieces)
	}
	if _, v := d.inflate(nil, z, 1<<20, nil); v != nil {
		t.Error("the verdict stayed in the pool")
	}
}

// TestCodecAllocates: once the pools are warm nothing is allocated for a message, but
// for the tables of codes of more than 9 bits, which long messages have.
func TestCodecAllocates(t *testing.T) {
	if underRace() {
		t.Skip("under the race detector sync.Pool forgets at random")
	}
	for _, params := range []deflateDirection{{false, 15}, {true, 15}, {false, 10}, {true, 10}} {
		for n, tables := range map[int]float64{300: 0, 5000: 20, 100_000: 20} {
			c, d := codecs(1, params)
			p := jsonLike(n, 1)
			var z, parts, out []byte
			deflate := func() {
				z, _ = c.compress(z[:0], p)
				c.begin()
				parts = c.end(c.write(c.write(parts[:0], p[:100]), p[100:]))
			}
			if allocs := testing.AllocsPerRun(100, deflate); allocs > 0 {
				t.Errorf("%+v, compressing %d bytes: %v allocations", params, n, allocs)
			}
			// Without a window these can be inflated over and over.
			c.free()
			deflate()
			inflate := func() {
				var v *violation
				d.free()
				if out, v = d.inflateText(out[:0], z, 1<<20); v != nil || len(out) != n {
					t.Fatal(v)
				}
				if out, v = d.inflate(out[:0], parts, 1<<20, nil); v != nil || len(out) != n {
					t.Fatal(v)
				}
			}
			if allocs := testing.AllocsPerRun(100, inflate); allocs > tables {
				t.Errorf("%+v, inflating %d bytes: %v allocations", params, n, allocs)
			}
			c.free()
			d.free()
		}
	}
}

// bitString packs bits, the first being the lowest of the first byte; blanks are for
// the eye.
func bitString(s string) (p []byte) {
	for i, bit := range strings.ReplaceAll(s, " ", "") {
		if i%8 == 0 {
			p = append(p, 0)
		}
		p[i/8] |= byte(bit-'0') << (i % 8)
	}
	return p
}

// TestInflateWithoutDistances: a block that has no codes for distances, and uses one
// all the same, is broken. It must not be read by the codes of what the inflater had
// before, perhaps from another connection. FuzzInflate found it.
func TestInflateWithoutDistances(t *testing.T) {
	const head = "0 01 10000 00000 0111" + // dynamic, 258 lengths of literals, 1 of distances, 18 of codes
		"000 000 100 110 000 000 000 000 000 000 000 000 000 000 000 010 000 110" + // 18: 1, 0: 3, 2: 2, 1: 3 bits
		"0 0110101 111 0 1111111 0 1001000 10 10" // 'a' has 1 bit, 256 and 257 have 2
	const body = "0 11 0 10 000"             // a, a match of 3, its distance, the end; an empty block
	good := bitString(head + "111" + body)   // the distance 1 has 1 bit
	broken := bitString(head + "110" + body) // or none
	z := newInflater(nil, 100)
	defer z.free()
	if v := z.inflate(good, nil); v != nil || string(z.out) != "aaaa" {
		t.Fatalf("%v, %q", v, z.out)
	}
	z.out = nil
	if v := z.inflate(broken, nil); v != errDeflateData {
		t.Fatalf("%v, %q", v, z.out)
	}
}

// TestCodecIdle: what a connection holds between messages is what Deflate's
// documentation says.
func TestCodecIdle(t *testing.T) {
	if size := unsafe.Sizeof(compressor{}) + unsafe.Sizeof(decompressor{}); size > 48 {
		t.Errorf("a connection pays %d bytes before the first message", size)
	}
	for bits := uint8(9); bits <= maxWindowBits; bits++ {
		for _, takeover := range []bool{false, true} {
			c, d := codecs(1, deflateDirection{takeover, bits})
			for range 3 {
				z, _ := c.compress(nil, jsonLike(100_000, 1))
				if _, v := d.inflate(nil, z, 1<<20, nil); v != nil {
					t.Fatal(v)
				}
			}
			want := 0
			if takeover {
				want = 1 << bits
			}
			if cap(c.window.bytes()) != want || cap(d.window.bytes()) != want || c.stream != nil {
				t.Errorf("%d bits, takeover %v: %d and %d bytes", bits, takeover, cap(c.window.bytes()), cap(d.window.bytes()))
			}
			c.free()
			d.free()
			c.free()
			d.free()
		}
	}
	c, _ := codecs(1, deflateDirection{true, 15})
	c.begin()
	c.write(nil, jsonLike(1000, 1))
	if c.free(); c.stream != nil || c.window.buf != nil {
		t.Error("free leaves something in the middle of a message")
	}
}
