package ws_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// inflater decompresses the messages of one direction (RFC 1951, RFC 7692
// section 7.2.2). It is a second opinion on what a server sends, and stricter
// than compress/flate: it fails on a back-reference beyond the window that was
// agreed, which a peer that keeps no more could not follow, on one into an
// earlier message when there is no context takeover, and on a message that does
// not end as section 7.2.1 says.
type inflater struct {
	window   int  // in bytes
	takeover bool // the window reaches back into the messages before

	out    []byte // the window, and behind it what the message came to so far
	in     []byte
	pos    int
	acc    uint64 // bits taken from in and not used, the next one lowest
	n      uint   // how many
	lit    prefixCode
	dist   prefixCode
	ending bool // the last block was stored and empty
}

// badDeflate is what an inflater stumbles over; its methods panic with it.
type badDeflate string

func (e badDeflate) Error() string { return "inflate: " + string(e) }

// message decompresses p, a message's payload as it went over the wire. The
// result is valid until the next call.
func (z *inflater) message(p []byte) (plain []byte, err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case badDeflate:
			err = e
		default:
			panic(e)
		}
	}()
	keep := 0
	if z.takeover {
		keep = min(len(z.out), z.window)
	}
	z.out = z.out[:copy(z.out, z.out[len(z.out)-keep:])]
	z.in, z.pos, z.acc, z.n, z.ending = append(slices.Clone(p), 0, 0, 0xff, 0xff), 0, 0, 0, false
	for z.pos < len(z.in) || z.n > 0 {
		z.block()
	}
	if !z.ending {
		panic(badDeflate("the message does not end in an empty block"))
	}
	return z.out[keep:], nil
}

func (z *inflater) block() {
	z.ending = false
	final := z.take(1)
	switch z.take(2) {
	case 0:
		z.stored()
	case 1:
		z.lit.build(fixedLengths[:])
		z.dist.build(fixedDistances[:])
		z.compressed()
	case 2:
		z.codes()
		z.compressed()
	default:
		panic(badDeflate("reserved block type"))
	}
	if final == 1 {
		z.align() // what follows, by RFC 7692 section 7.2.3.4, is a new stream
	}
}

// fill takes as many bytes from in as there is room for.
func (z *inflater) fill() {
	for z.n <= 56 && z.pos < len(z.in) {
		z.acc |= uint64(z.in[z.pos]) << z.n
		z.pos++
		z.n += 8
	}
}

func (z *inflater) take(n uint) int {
	z.fill()
	if z.n < n {
		panic(badDeflate("cut off"))
	}
	v := z.acc & (1<<n - 1)
	z.acc >>= n
	z.n -= n
	return int(v)
}

// align drops the rest of the current byte.
func (z *inflater) align() { z.take(z.n % 8) }

func (z *inflater) stored() {
	z.align()
	n := z.take(16)
	if z.take(16) != n^0xffff {
		panic(badDeflate("the length of a stored block is not confirmed"))
	}
	z.pos -= int(z.n / 8)
	z.acc, z.n = 0, 0
	if n > len(z.in)-z.pos {
		panic(badDeflate("cut off in a stored block"))
	}
	z.out = append(z.out, z.in[z.pos:z.pos+n]...)
	z.pos += n
	z.ending = n == 0
}

// codes reads the codes of a block that brings its own (RFC 1951 section 3.2.7).
func (z *inflater) codes() {
	literals, distances, lengths := z.take(5)+257, z.take(5)+1, z.take(4)+4
	if literals > 286 || distances > 30 {
		panic(badDeflate("too many codes"))
	}
	var of [19]byte
	for _, at := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:lengths] {
		of[at] = byte(z.take(3))
	}
	z.lit.build(of[:])
	var all []byte
	for len(all) < literals+distances {
		switch sym := z.symbol(&z.lit); {
		case sym < 16:
			all = append(all, byte(sym))
		case sym == 16 && len(all) == 0:
			panic(badDeflate("nothing to repeat"))
		case sym == 16:
			all = append(all, bytes.Repeat(all[len(all)-1:], 3+z.take(2))...)
		case sym == 17:
			all = append(all, make([]byte, 3+z.take(3))...)
		default:
			all = append(all, make([]byte, 11+z.take(7))...)
		}
	}
	if len(all) > literals+distances || all[256] == 0 {
		panic(badDeflate("bad code lengths"))
	}
	z.lit.build(all[:literals])
	z.dist.build(all[literals:])
}

// compressed reads a block's symbols up to its end.
func (z *inflater) compressed() {
	for {
		sym := z.symbol(&z.lit)
		switch {
		case sym < 256:
			z.out = append(z.out, byte(sym))
			continue
		case sym == 256:
			return
		case sym > 285:
			panic(badDeflate("bad length"))
		}
		// Four lengths share a number of extra bits, two distances do; the last
		// length, 258, stands alone.
		length := sym - 254
		if extra := uint(max(0, sym-261) / 4); sym == 285 {
			length = 258
		} else if extra > 0 {
			length = 3 + (4+(sym-261)%4)<<extra + z.take(extra)
		}
		sym = z.symbol(&z.dist)
		if sym > 29 {
			panic(badDeflate("bad distance"))
		}
		distance := sym + 1
		if extra := uint(max(0, sym-2) / 2); extra > 0 {
			distance = 1 + (2+sym%2)<<extra + z.take(extra)
		}
		z.repeat(length, distance)
	}
}

// repeat appends what lies distance bytes back.
func (z *inflater) repeat(length, distance int) {
	if distance > z.window {
		panic(badDeflate(fmt.Sprintf("%d bytes back in a window of %d", distance, z.window)))
	}
	at := len(z.out) - distance
	if at < 0 {
		panic(badDeflate(fmt.Sprintf("%d bytes back, of %d", distance, len(z.out))))
	}
	for length > 0 {
		n := min(length, len(z.out)-at)
		z.out = append(z.out, z.out[at:at+n]...)
		length -= n
	}
}

// fastBits is the longest code that is looked up instead of searched.
const fastBits = 9

// prefixCode is a Huffman code in canonical form (RFC 1951 section 3.2.2).
type prefixCode struct {
	fast    [1 << fastBits]uint16 // symbol and length, by the bits that come next; 0 is a longer code
	count   [16]int               // how many codes have a length
	symbols []uint16              // in the order of their codes
}

func (h *prefixCode) build(lengths []byte) {
	h.count, h.fast = [16]int{}, [1 << fastBits]uint16{}
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	var at, code [17]int // where the symbols of a length begin, and its first code
	for n := 1; n <= 15; n++ {
		at[n+1] = at[n] + h.count[n]
		code[n+1] = (code[n] + h.count[n]) << 1
		if code[n]+h.count[n] > 1<<n {
			panic(badDeflate("more codes than there can be"))
		}
	}
	h.symbols = slices.Grow(h.symbols[:0], at[16])[:at[16]]
	for sym, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbols[at[n]] = uint16(sym)
		at[n]++
		if n <= fastBits {
			first := int(bits.Reverse16(uint16(code[n])) >> (16 - n))
			for i := first; i < len(h.fast); i += 1 << n {
				h.fast[i] = uint16(sym)<<4 | uint16(n)
			}
		}
		code[n]++
	}
}

// symbol decodes one symbol.
func (z *inflater) symbol(h *prefixCode) int {
	z.fill()
	if e := h.fast[z.acc&(1<<fastBits-1)]; e != 0 && uint(e&15) <= z.n {
		z.acc >>= e & 15
		z.n -= uint(e & 15)
		return int(e >> 4)
	}
	code, first, at := 0, 0, 0
	for n := 1; n <= 15; n++ {
		code |= z.take(1)
		if i := code - first; i < h.count[n] {
			return int(h.symbols[at+i])
		}
		at += h.count[n]
		first = (first + h.count[n]) << 1
		code <<= 1
	}
	panic(badDeflate("no such code"))
}

var fixedLengths, fixedDistances = func() (lit [288]byte, dist [30]byte) {
	for i := range lit {
		switch {
		case i < 144, i >= 280:
			lit[i] = 8
		case i < 256:
			lit[i] = 9
		default:
			lit[i] = 7
		}
	}
	for i := range dist {
		dist[i] = 5
	}
	return lit, dist
}()

// TestInflater holds the second opinion against the first: what compress/flate
// writes, at each level, with and without context takeover.
func TestInflater(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, d := range testData() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 4, 6, 9} {
			for _, takeover := range []bool{true, false} {
				z := inflater{window: 1 << 15, takeover: takeover}
				c := newCompressor(level, takeover)
				for i := range 12 {
					want := d.message(i, 1+random.IntN(12_000))
					got, err := z.message(c.message(want))
					if err != nil || string(got) != want {
						t.Fatalf("%s, level %d, takeover %v, message %d: %d bytes of %d, %v",
							d.title, level, takeover, i, len(got), len(want), err)
					}
				}
			}
		}
	}
}

// TestInflaterRefuses has it refuse what compress/flate lets pass.
func TestInflaterRefuses(t *testing.T) {
	noise := randomString(600)
	twice := newCompressor(6, false).message(noise + noise)
	for _, c := range []struct {
		window int
		good   bool
	}{{512, false}, {1024, true}} {
		z := inflater{window: c.window}
		if got, err := z.message(twice); (err == nil) != c.good || c.good && string(got) != noise+noise {
			t.Errorf("600 bytes back in a window of %d: %v", c.window, err)
		}
	}
	c := newCompressor(6, true)
	first, second := c.message(noise), c.message(noise)
	for _, takeover := range []bool{true, false} {
		z := inflater{window: 1 << 15, takeover: takeover}
		if _, err := z.message(first); err != nil {
			t.Fatal(err)
		}
		if _, err := z.message(second); (err == nil) != takeover {
			t.Errorf("a reference into the message before, takeover %v: %v", takeover, err)
		}
	}
	for name, p := range map[string]string{
		"reserved block type": "\x07",
		"no flush":            "\x4a",
		"not deflate":         "\xff\xff\xff",
		"cut off":             string(twice[:len(twice)/2]),
		"longer than it says": "\x00\x05\x00\xfa\xffab",
	} {
		z := inflater{window: 1 << 15}
		if got, err := z.message([]byte(p)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := io.ReadAll(flate.NewReader(bytes.NewReader(append(twice, 0, 0, 0xff, 0xff)))); err != io.ErrUnexpectedEOF {
		t.Error("what was refused for its window alone is not good otherwise:", err)
	}
}
