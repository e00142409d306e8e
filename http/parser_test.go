package http

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// seen is what a test looks at in a request.
type seen struct {
	Method, Path, Query, Host string
	Fields, Trailer           []string
	Body                      string
	Close                     bool
}

func lines(fields []field, raw []byte) (s []string) {
	for _, f := range fields {
		s = append(s, string(f.name.of(raw))+": "+string(f.value.of(raw)))
	}
	return s
}

// readRequests does with bytes what a connection does, without one: it appends the pieces one by one to a buffer and
// takes requests from its front, until the input ends or is refused. code is 0 when nothing was refused.
func readRequests(t testing.TB, lim Limits, pieces ...[]byte) (reqs []seen, code int) {
	t.Helper()
	lim = lim.filled()
	var (
		buf      []byte
		p        progress
		h, tail  head
		current  *seen
		body     []byte
		left     int64
		chunks   chunked
		refusing *Error
	)
	for _, piece := range pieces {
		buf = append(bytes.Clone(buf), piece...) // a new array each time: nothing may rely on where the bytes lie
		for len(buf) > 0 {
			if current == nil {
				n, err := p.parse(buf, &lim, &h)
				if errors.As(err, &refusing) {
					return reqs, refusing.Code
				}
				if n == 0 {
					break
				}
				current = &seen{
					Method: h.method, Path: string(decodePath(nil, h.path.of(buf))), Query: string(h.query.of(buf)),
					Host: string(h.host.of(buf)), Fields: lines(h.fields, buf), Close: h.close,
				}
				left, chunks, body = h.length, chunked{}, nil
				if !h.chunked && left > lim.MaxBody {
					return reqs, 413
				}
				buf = buf[n:]
				if !h.chunked && left == 0 {
					reqs, current = append(reqs, *current), nil
				}
				if current != nil && h.chunked {
					left = -1
				}
				continue
			}
			if left >= 0 {
				k := min(left, int64(len(buf)))
				body, buf, left = append(body, buf[:k]...), buf[k:], left-k
				if left == 0 {
					current.Body = string(body)
					reqs, current = append(reqs, *current), nil
				}
				continue
			}
			data, n, done, err := chunks.decode(body, buf, &lim, &tail)
			if errors.As(err, &refusing) {
				return reqs, refusing.Code
			}
			body = data
			if done {
				current.Body, current.Trailer = string(body), lines(tail.fields, buf[n-chunks.trailerSize():n])
				reqs, current = append(reqs, *current), nil
			}
			buf = buf[n:]
			if n == 0 && !done {
				break
			}
		}
	}
	return reqs, 0
}

func bytewise(in []byte) (pieces [][]byte) {
	for i := range in {
		pieces = append(pieces, in[i:i+1])
	}
	return pieces
}

const goodRequest = "GET /good?x=1 HTTP/1.1\r\nHost: good.example\r\n\r\n"

var goodSeen = seen{Method: "GET", Path: "/good", Query: "x=1", Host: "good.example", Fields: []string{"Host: good.example"}}

// everyWay runs one input whole, byte by byte, cut in two at every offset, and behind a good request, and wants one verdict.
func everyWay(t *testing.T, lim Limits, in string, check func(t *testing.T, how string, reqs []seen, code int)) {
	t.Helper()
	try := func(how string, drop int, pieces ...[]byte) {
		t.Helper()
		reqs, code := readRequests(t, lim, pieces...)
		if drop == 1 {
			if len(reqs) == 0 || !reflect.DeepEqual(reqs[0], goodSeen) {
				t.Fatalf("%s: the good request ahead came out as %+v", how, reqs)
			}
			reqs = reqs[1:]
		}
		check(t, how, reqs, code)
	}
	b := []byte(in)
	try("whole", 0, b)
	try("byte by byte", 0, bytewise(b)...)
	step := 1 + len(b)/200 // long inputs: 200 cuts will do
	for i := 1; i < len(b); i += step {
		try(fmt.Sprintf("cut at %d", i), 0, b[:i], b[i:])
	}
	both := append([]byte(goodRequest), b...)
	try("pipelined", 1, both)
	try("pipelined, byte by byte", 1, bytewise(both)...)
}

func TestRefused(t *testing.T) {
	for _, tc := range refusedInputs {
		t.Run(tc.name, func(t *testing.T) {
			everyWay(t, tc.limits, tc.in, func(t *testing.T, how string, reqs []seen, code int) {
				if code != tc.code || len(reqs) != 0 {
					t.Errorf("%s: requests %+v, refused with %d, want %d", how, reqs, code, tc.code)
				}
			})
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, tc := range acceptedInputs {
		t.Run(tc.name, func(t *testing.T) {
			everyWay(t, tc.limits, tc.in, func(t *testing.T, how string, reqs []seen, code int) {
				if code != 0 || !reflect.DeepEqual(reqs, tc.want) {
					t.Errorf("%s: refused with %d, requests\n%+v, want\n%+v", how, code, reqs, tc.want)
				}
			})
		})
	}
}

// A head that comes byte by byte must not be read again from its beginning each time.
func TestScanPositionIsRemembered(t *testing.T) {
	in := []byte("GET /" + strings.Repeat("p", 3000) + " HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("v", 9000) + "\r\n\r\n")
	lim := Limits{}.filled()
	var p progress
	var h head
	for n := 1; n < len(in); n++ {
		if got, err := p.parse(in[:n], &lim, &h); got != 0 || err != nil {
			t.Fatalf("after %d bytes: %d, %v", n, got, err)
		}
		// The version and a line end are judged when they are whole: ten bytes.
		if n-int(p.pos) > 10 {
			t.Fatalf("after %d bytes the scan stands at %d", n, p.pos)
		}
	}
	if n, err := p.parse(in, &lim, &h); n != len(in) || err != nil {
		t.Fatalf("whole: %d, %v", n, err)
	}
	if p != (progress{}) {
		t.Fatalf("progress after a whole head: %+v", p)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	in := []byte("GET /a%20b?q=1 HTTP/1.1\r\nHost: example.com:8080\r\nConnection: keep-alive\r\nAccept: */*\r\nUser-Agent: test\r\n\r\n")
	lim := Limits{}.filled()
	var p progress
	var h head
	if allocs := testing.AllocsPerRun(100, func() {
		if n, err := p.parse(in, &lim, &h); n != len(in) || err != nil {
			t.Fatal(n, err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations a head", allocs)
	}
}

func TestSkipText(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := bytes.Repeat([]byte("\xe4 \t"), 7)
			b[at] = byte(c)
			want := at
			if c >= 0x20 && c != 0x7f || c == '\t' {
				want = len(b)
			}
			if got := skipText(b, 0); got != want {
				t.Fatalf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	in := []byte("GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en\r\nConnection: keep-alive\r\n\r\n")
	lim := Limits{}.filled()
	var p progress
	var h head
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.parse(in, &lim, &h); err != nil {
			b.Fatal(err)
		}
	}
}
