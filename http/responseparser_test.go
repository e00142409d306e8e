package http

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
)

// readResponse does with the pieces what a client does. ok is false when they are no response, or not all of one.
func readResponse(method string, ended bool, pieces ...[]byte) (text string, ok bool) {
	p := NewResponseParser(Limits{})
	p.Begin(method)
	var buf, body []byte
	var b strings.Builder
	headed := false
	for _, piece := range pieces {
		buf = append(bytes.Clone(buf), piece...)
		for !headed {
			n, err := p.Head(buf)
			if err != nil {
				return err.Error(), false
			}
			if n == 0 {
				break
			}
			fmt.Fprintf(&b, "%d %q", p.Status(), p.Reason())
			for name, value := range p.Fields() {
				fmt.Fprintf(&b, " %s=%q", name, value)
			}
			headed = p.Status() >= 200 || p.Status() == 101
			buf = buf[n:]
		}
		for headed && !p.Done() && len(buf) > 0 {
			data, n, err := p.Body(buf)
			body = append(body, data...)
			if buf = buf[n:]; err != nil {
				return err.Error(), false
			}
			if n == 0 {
				break
			}
		}
	}
	if !p.Done() && (!ended || p.End() != nil) {
		return "not whole", false
	}
	fmt.Fprintf(&b, " body=%q keep=%v", body, p.KeepsAlive())
	for name, value := range p.Trailers() {
		fmt.Fprintf(&b, " trailer %s=%q", name, value)
	}
	fmt.Fprintf(&b, " rest=%q", buf)
	return b.String(), true
}

var responses = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nuntil the end",
	"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\nnext",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbytes",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
	"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	"HTTP/1.1 099 X\r\n\r\n",
	"HTTP/1.2 200 OK\r\n\r\n",
	"HTTP/1.1 200OK\r\n\r\n",
	"HTTP/1.1 200 a\x00b\r\n\r\n",
	"HTTP/1.1 200 " + strings.Repeat("x", 600) + "\r\n\r\n",
}

// The verdict on a response does not depend on how it was cut into reads.
func TestResponseParserSplitEverywhere(t *testing.T) {
	for _, whole := range responses {
		for _, method := range []string{"GET", "HEAD"} {
			want, wantOK := readResponse(method, true, []byte(whole))
			for i := 1; i < len(whole); i++ {
				if got, ok := readResponse(method, true, []byte(whole[:i]), []byte(whole[i:])); ok != wantOK || ok && got != want {
					t.Fatalf("%q cut at %d: %s, want %s", whole, i, got, want)
				}
			}
			var single [][]byte
			for i := range whole {
				single = append(single, []byte(whole[i:i+1]))
			}
			if got, ok := readResponse(method, true, single...); ok != wantOK || ok && got != want {
				t.Fatalf("%q byte by byte: %s, want %s", whole, got, want)
			}
		}
	}
}

func TestResponseParser(t *testing.T) {
	want := []string{
		`200 "OK" Content-Length="5" body="hello" keep=true rest=""`,
		`200 "" Content-Length="0" body="" keep=true rest=""`,
		`200 "" Content-Length="0" body="" keep=true rest=""`,
		`404 "Not Found" Connection="close" body="until the end" keep=false rest=""`,
		`200 "OK" Content-Length="1" Connection="keep-alive" body="x" keep=true rest=""`,
		`100 "Continue"103 "Early Hints" Link="</a>"200 "OK" Transfer-Encoding="chunked" body="hello" keep=true trailer X-Sum="1" rest="next"`,
		`204 "No Content" body="" keep=true rest=""`,
		`304 "Not Modified" Content-Length="10" body="" keep=true rest=""`,
		`101 "Switching Protocols" Upgrade="x" Connection="Upgrade" body="" keep=true rest="bytes"`,
	}
	for i, whole := range responses {
		got, ok := readResponse("GET", true, []byte(whole))
		switch {
		case i < len(want) && (!ok || got != want[i]):
			t.Errorf("%q: %s, want %s", whole, got, want[i])
		case i >= len(want) && ok:
			t.Errorf("%q was taken for %s", whole, got)
		}
	}
}

func TestResponseParserWantsTheEnd(t *testing.T) {
	for _, text := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"} {
		p := NewResponseParser(Limits{})
		p.Begin("GET")
		if n, err := p.Head([]byte(text)); err != nil {
			t.Fatal(err)
		} else if n > 0 {
			if _, _, err := p.Body([]byte(text[n:])); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.End(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What the parser takes, net/http takes as well, and for the same; cut anywhere it is the same.
func FuzzResponseParser(f *testing.F) {
	for _, r := range responses {
		f.Add([]byte(r), uint16(len(r)/2), false)
		f.Add([]byte(r), uint16(3), true)
	}
	f.Fuzz(func(t *testing.T, whole []byte, cut uint16, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		want, ok := readResponse(method, true, whole)
		at := min(int(cut), len(whole))
		if got, again := readResponse(method, true, whole[:at], whole[at:]); again != ok || ok && got != want {
			t.Fatalf("cut at %d: %s, whole: %s", at, got, want)
		}
		if !ok {
			return
		}
		in := bufio.NewReader(bytes.NewReader(whole))
		for {
			res, err := nethttp.ReadResponse(in, &nethttp.Request{Method: method})
			if err != nil {
				t.Fatalf("net/http refuses %q, which is taken for %s: %v", whole, want, err)
			}
			if res.StatusCode < 200 && res.StatusCode != 101 {
				continue
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatalf("net/http refuses the body of %q, which is taken for %s: %v", whole, want, err)
			}
			if res.StatusCode != 101 && !strings.Contains(want, fmt.Sprintf(" body=%q ", body)) {
				t.Fatalf("net/http has the body %q of %q, which is taken for %s", body, whole, want)
			}
			return
		}
	})
}
