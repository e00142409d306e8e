package ws

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
)

// readAnswer feeds an answer in pieces, and says what came of it, and of 101 what was
// left, which is the WebSocket's.
func readAnswer(pieces ...[]byte) string {
	a := newAnswer("GET")
	var in []byte
	whole := false
	for _, p := range pieces {
		in = append(in, p...)
		for n := 1; n > 0 && !whole && len(in) > 0; in = in[n:] {
			var err error
			switch {
			case a.resp == nil:
				n, err = a.head(in)
			case a.resp.StatusCode == 101:
				n = 0
			default:
				n, whole = a.take(in)
			}
			if err != nil {
				return fmt.Sprint("error, malformed: ", errors.Is(err, http.ErrBadResponse)) // what it quotes is what there was
			}
		}
	}
	switch {
	case a.resp == nil:
		return "more"
	case a.resp.StatusCode == 101:
		return fmt.Sprintf("101 %v %q", a.resp.Header, in)
	}
	return fmt.Sprintf("%d %v %q %v", a.resp.StatusCode, a.resp.Header, a.body, whole)
}

// FuzzAnswer holds an answer in one piece against the same one cut in two at every
// byte, and byte by byte: same verdict, and nothing behind the head is lost.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n\x81\x01a",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
		"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
		"HTTP/1.1 400 Bad\n\n", "HTTP/1.1 400 Bad\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200\r\n\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\r\n\r\n",
		"HTTP/2.0 101 x\r\n\r\n", "SSH-2.0\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > 512 {
			return
		}
		want := readAnswer(stream)
		if got := readAnswer(eachByte(stream)...); got != want {
			t.Fatalf("byte by byte %s, whole %s", got, want)
		}
		for i := 1; i < len(stream); i++ {
			if got := readAnswer(stream[:i], stream[i:]); got != want {
				t.Fatalf("cut at %d %s, whole %s", i, got, want)
			}
		}
		if end := bytes.Index(stream, []byte("\n\r\n")); strings.HasPrefix(want, "101 ") && bytes.Contains(stream[:end], []byte("\n\n")) {
			t.Fatalf("a bare line end passed: %q", stream)
		}
	})
}

// TestAnswerBounds is what FuzzAnswer leaves out for its size: header lines at the
// limit, and bodies.
func TestAnswerBounds(t *testing.T) {
	const status = "HTTP/1.1 101 Switching Protocols\r\n"
	head := func(lines int) []byte {
		return []byte(status + "X: " + strings.Repeat("x", lines-len("X: \r\n\r\n")) + "\r\n\r\n")
	}
	for n, want := range map[int]string{maxAnswerHead: "101 ", maxAnswerHead + 3: "error, malformed: true"} {
		for _, pieces := range [][][]byte{{head(n)}, eachByte(head(n)), {head(n)[:n-1], head(n)[n-1:]}} {
			if got := readAnswer(pieces...); !strings.HasPrefix(got, want) {
				t.Errorf("%d bytes in %d pieces: %.60s", n, len(pieces), got)
			}
		}
	}
	body := []byte("HTTP/1.1 500 Oops\r\n\r\n" + strings.Repeat("x", maxAnswerBody+1))
	for _, pieces := range [][][]byte{{body}, eachByte(body)} {
		if got, want := readAnswer(pieces...), fmt.Sprintf("500 map[] %q true", body[len(body)-maxAnswerBody:]); got != want {
			t.Errorf("%.60s, %d bytes", got, len(got))
		}
	}
}
