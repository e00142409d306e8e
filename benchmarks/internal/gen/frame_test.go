package gen

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// events reads all of b in pieces of n bytes and tells what came.
func events(b []byte, n int) string {
	var f frames
	var list []string
	var message []byte
	for piece := range slices.Chunk(b, n) {
		for len(piece) > 0 {
			p, rest, err := f.next(piece)
			if err != nil {
				return strings.Join(append(list, "error"), " ")
			}
			piece = rest
			if p.nothing {
				continue
			}
			if message = append(message, p.data...); !p.end {
				continue
			}
			if p.op >= opClose {
				list = append(list, fmt.Sprintf("%d:%s", p.op, p.data))
				message = message[:len(message)-len(p.data)]
				continue
			}
			list = append(list, fmt.Sprintf("%d:%s", p.op, message))
			message = nil
		}
	}
	if !f.atStart() {
		list = append(list, "more")
	}
	return strings.Join(list, " ")
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("a", 300)
	tests := []struct {
		name, in, want string
	}{
		{"5.2 binary", "\x82\x02hi", "2:hi"},
		{"5.2 empty", "\x82\x00\x81\x00", "2: 1:"},
		{"5.2 length of 16 bits", "\x82\x7e\x01\x2c" + long, "2:" + long},
		{"5.2 length of 64 bits", "\x82\x7f\x00\x00\x00\x00\x00\x00\x01\x2c" + long, "2:" + long},
		{"5.2 no end", "\x82\x05hi", "more"},
		{"5.2 half a head", "\x82\x7e\x01", "more"},
		{"5.2 reserved bit", "\xc2\x02hi", "error"},
		{"5.2 reserved opcode", "\x83\x02hi", "error"},
		{"5.1 masked", "\x82\x82\x00\x00\x00\x00hi", "error"},
		{"5.4 fragments", "\x02\x01h\x00\x01i\x80\x01!", "2:hi!"},
		{"5.4 empty fragments", "\x02\x00\x00\x00\x80\x01!", "2:!"},
		{"5.4 the last is empty", "\x02\x02hi\x80\x00", "2:hi"},
		{"5.4 ping between", "\x02\x01h\x89\x02yo\x80\x01i", "9:yo 2:hi"},
		{"5.4 continuation of nothing", "\x80\x01i", "error"},
		{"5.4 another message between", "\x02\x01h\x82\x01i", "error"},
		{"5.5 close", "\x88\x02\x03\xe8", "8:\x03\xe8"},
		{"5.5 fragmented ping", "\x09\x00", "error"},
		{"5.5 long ping", "\x89\x7e\x00\x7e", "error"},
		{"5.5 reserved control opcode", "\x8b\x00", "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for n := 1; n <= len(tt.in); n++ {
				if got := events([]byte(tt.in), n); got != tt.want {
					t.Errorf("in pieces of %d: %.60q, want %.60q", n, got, tt.want)
				}
			}
		})
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x02\x01h\x89\x02yo\x80\x01i"), 1)
	f.Add([]byte("\x82\x7e\x01\x2c"), 3)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 1 || len(b) == 0 {
			return
		}
		if whole, pieces := events(b, len(b)), events(b, n); whole != pieces {
			t.Errorf("%q in pieces of %d: %q, want %q", b, n, pieces, whole)
		}
	})
}

func TestMaskedFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 1<<16 - 1, 1 << 16} {
		p := bytes.Repeat([]byte("x"), n)
		frame := appendMasked(nil, opBinary, p)
		head := appendHead(nil, opBinary, n, masked)
		if !bytes.HasPrefix(frame, slices.Concat(head, maskKey[:])) || len(frame) != len(head)+4+n {
			t.Fatalf("%d bytes: frame of %d that begins % x", n, len(frame), frame[:6])
		}
		payload := frame[len(head)+4:]
		mask(payload)
		if !bytes.Equal(payload, p) {
			t.Errorf("%d bytes: another payload", n)
		}
	}
}
