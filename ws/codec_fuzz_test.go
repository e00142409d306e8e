package ws

import (
	"bytes"
	"testing"
)

// FuzzInflate holds our inflating, with its limit, against the standard
// library's, over two messages with a window kept between them.
func FuzzInflate(f *testing.F) {
	for _, s := range [][2]string{
		{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"},
		{"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x00"},
		{"\xf3\x48\xcd\xc9\xc9\x07\x00", "\x00\x05\x00\xfa\xffHello\x00"},
		{"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "\x03\x00\x03\x00\x00"},
		{string(stdDeflate(f, jsonLike(500, 1), nil, 6)), string(stdDeflate(f, jsonLike(500, 2), jsonLike(500, 1), 9))},
		{string(stdDeflate(f, make([]byte, 100_000), nil, 9)), ""},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first)+len(second) > 1<<13 {
			return // the standard library has no limit
		}
		const limit = 1 << 16
		_, d := codecs(1, deflateDirection{true, 15})
		defer d.free()
		var dict []byte
		for _, p := range [][]byte{first, second} {
			want, err := stdInflate(p, dict)
			out, v := d.inflate(nil, p, limit, nil)
			switch {
			case v == nil && (err != nil || !bytes.Equal(out, want)):
				t.Fatalf("%x is %x; the standard library says %x, %v", p, out, want, err)
			case v == errDeflateData && err == nil:
				t.Fatalf("%x is refused; the standard library says %x", p, want)
			case v == errTooBig && len(want) <= limit:
				t.Fatalf("%x is too big with %d bytes", p, len(want))
			}
			if len(out) > limit || cap(out) > limit {
				t.Fatalf("%x took %d bytes", p, cap(out))
			}
			if v != nil {
				return
			}
			if dict = lastBytes(append(dict, out...), 1<<15); !bytes.Equal(d.window.bytes(), dict) {
				t.Fatalf("after %x the window is not what was inflated", p)
			}
		}
	})
}

// FuzzDeflateRoundTrip cuts data into messages, some of them in parts, some
// compressed without the window, and sends them with every window.
func FuzzDeflateRoundTrip(f *testing.F) {
	f.Add([]byte("HelloHelloHello"), []byte{5, 0x45, 0x85}, uint8(15), uint8(1), true)
	f.Add(jsonLike(3000, 1), []byte{0xff, 0x7f, 0x3f, 0xbf}, uint8(9), uint8(6), true)
	f.Add(bytes.Repeat(jsonLike(300, 1), 4), []byte{0x3e}, uint8(8), uint8(3), false)
	f.Fuzz(func(t *testing.T, data, cuts []byte, bits, level uint8, takeover bool) {
		if len(data) > 1<<16 || len(cuts) == 0 {
			return
		}
		params := deflateDirection{takeover, minWindowBits + bits%(maxWindowBits-minWindowBits+1)}
		c, d := codecs(1+int(level)%9, params)
		defer c.free()
		defer d.free()
		var history []byte
		for i := 0; len(data) > 0 && i < 200; i++ {
			cut := cuts[i%len(cuts)]
			p := data[:min(len(data), 1+int(cut&0x3f)<<4)]
			data = data[len(p):]
			z, smaller := sendSomehow(c, p, cut>>6)
			if !smaller {
				continue
			}
			checkDistance(t, z, params.bits)
			checkInflated(t, d, z, p, history)
			if takeover {
				history = lastBytes(append(history, p...), 1<<params.bits)
			}
		}
	})
}

// sendSomehow compresses p whole, in parts, or for many.
func sendSomehow(c *compressor, p []byte, how byte) (z []byte, smaller bool) {
	switch how {
	case 0:
		c.begin()
		half := len(p) / 2
		return c.end(c.write(c.write(nil, p[:half]), p[half:])), true
	case 1:
		if z, smaller = deflateOnce(nil, p, int(c.level), c.params.bits); smaller {
			c.note(p)
		}
		return z, smaller
	default:
		return c.compress(nil, p)
	}
}
