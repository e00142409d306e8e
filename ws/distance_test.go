package ws

import "errors"

// farthest inflates a DEFLATE stream that ends with its input (RFC 1951) by the
// book and reports the greatest distance that it refers back. It is written
// apart from both flate packages, which do not tell.
func farthest(p []byte) (distance int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errors.New("not DEFLATE")
		}
	}()
	b := &bitReader{p: p}
	for b.at < 8*len(p) {
		b.bits(1) // BFINAL
		switch b.bits(2) {
		case 0:
			b.at = (b.at + 7) &^ 7
			n := b.bits(16)
			if b.bits(16) != ^n&0xffff {
				panic("LEN")
			}
			b.at += 8 * n
		case 1:
			distance = max(distance, b.block(fixedCodes()))
		case 2:
			distance = max(distance, b.block(b.codes()))
		default:
			panic("BTYPE")
		}
	}
	return distance, nil
}

type bitReader struct {
	p  []byte
	at int
}

func (b *bitReader) bits(n int) (v int) {
	for i := range n {
		v |= int(b.p[b.at/8]>>(b.at%8)&1) << i
		b.at++
	}
	return v
}

// code maps a Huffman code, a leading 1 before its bits, to its symbol.
type code map[int]int

func newCode(lengths []int) code {
	c, next := code{}, 0
	for n := 1; n <= 15; n++ {
		next <<= 1
		for symbol, length := range lengths {
			if length == n {
				c[1<<n|next] = symbol
				next++
			}
		}
	}
	return c
}

func (b *bitReader) symbol(c code) int {
	for v := 1; v < 1<<16; {
		v = v<<1 | b.bits(1)
		if s, ok := c[v]; ok {
			return s
		}
	}
	panic("no code")
}

func fixedCodes() (literals, distances code) {
	var l [288]int
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	d := make([]int, 30)
	for i := range d {
		d[i] = 5
	}
	return newCode(l[:]), newCode(d)
}

func (b *bitReader) codes() (literals, distances code) {
	nl, nd, nc := b.bits(5)+257, b.bits(5)+1, b.bits(4)+4
	var l [19]int
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nc] {
		l[i] = b.bits(3)
	}
	c := newCode(l[:])
	var lengths []int
	for len(lengths) < nl+nd {
		n, v := 1, b.symbol(c)
		switch v {
		case 16:
			n, v = 3+b.bits(2), lengths[len(lengths)-1]
		case 17:
			n, v = 3+b.bits(3), 0
		case 18:
			n, v = 11+b.bits(7), 0
		}
		for range n {
			lengths = append(lengths, v)
		}
	}
	return newCode(lengths[:nl]), newCode(lengths[nl:])
}

// block reads a compressed block and returns its greatest distance.
func (b *bitReader) block(literals, distances code) (farthest int) {
	for {
		s := b.symbol(literals)
		switch {
		case s == 256:
			return farthest
		case s > 256 && s < 265, s == 285:
		case s > 256:
			b.bits((s - 261) / 4)
		}
		if s < 256 {
			continue
		}
		d := b.symbol(distances)
		base := d + 1
		if d > 3 {
			extra := d/2 - 1
			base = (2+d%2)<<extra + 1 + b.bits(extra)
		}
		farthest = max(farthest, base)
	}
}
