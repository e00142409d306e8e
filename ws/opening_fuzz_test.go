package ws

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	stdhttp "net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// openingServer echoes on a Unix socket, of which there are more than ports.
func openingServer(f *testing.F) (path string) {
	path = f.TempDir() + "/s"
	endpoint := Endpoint(echoer{}, WithSubprotocols("chat"), WithDeflate(Deflate{ContextTakeover: true}))
	s := &http.Server{Handler: endpoint, Loops: 1}
	_, err := s.Listen("unix:" + path)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			f.Error("shutdown:", err)
		}
	})
	return path
}

// echoer sends back what comes, and keeps nothing.
type echoer struct{ NopHandler }

func (echoer) OnMessage(c *Conn, op Op, p []byte) { c.Send(op, p) }

// FuzzOpening sends a stream to a server, from its HTTP parser on. Whatever it is, the
// answers are HTTP; the stream that gets a 101 is a handshake that net/http can read
// too, and holds what RFC 6455 section 4.2.1 asks for; and what is offered and chosen
// goes together.
func FuzzOpening(f *testing.F) {
	for _, request := range browsers {
		f.Add([]byte(strings.ReplaceAll(request, "\n", "\r\n") + "\r\n" + string(text("a"))))
	}
	f.Add(join([]byte(opening+"Connection: x\r\nConnection: ,Upgrade\r\n\r\n"), closing1(1000, "")))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n" + opening + "\r\n"))
	f.Add([]byte(strings.Replace(opening, "13", "8", 1) + "\r\n"))
	path := openingServer(f)
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > 2048 {
			return
		}
		r := bufio.NewReader(bytes.NewReader(answers(t, path, stream)))
		requests := bufio.NewReader(bytes.NewReader(stream))
		for {
			if _, err := r.Peek(1); err == io.EOF {
				return
			}
			req, err := stdhttp.ReadRequest(requests)
			if err != nil {
				if head, _ := r.Peek(len("HTTP/1.1 101")); string(head) == "HTTP/1.1 101" {
					t.Fatalf("101 for %q, of which net/http says %v", stream, err)
				}
				return // it is stricter at times
			}
			if !pairs(t, req, r) {
				return
			}
		}
	})
}

// pairs reads the answer to req; false when no other request is answered.
func pairs(t *testing.T, req *stdhttp.Request, r *bufio.Reader) bool {
	for {
		resp, err := stdhttp.ReadResponse(r, req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		switch {
		case err != nil:
			t.Fatalf("%v in the answer to %q", err, req.Header)
		case resp.StatusCode == 100:
			continue
		case resp.StatusCode == 101:
			checkOpening(t, req, resp) // frames follow
		}
		_, err = io.Copy(io.Discard, req.Body)
		return err == nil && resp.StatusCode != 101 && !resp.Close
	}
}

// answers is all that comes back for a stream.
func answers(t *testing.T, path string, stream []byte) []byte {
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go func() { // an answer may come before all is sent
		conn.Write(stream)
		conn.(*net.UnixConn).CloseWrite()
	}()
	all, err := io.ReadAll(conn)
	if err != nil && len(all) == 0 {
		t.Fatalf("%v for %q", err, stream)
	}
	return all
}

// checkOpening holds a request against its 101, with other means than handshake has.
func checkOpening(t *testing.T, req *stdhttp.Request, resp *stdhttp.Response) {
	list := func(name string) (all []string) {
		for _, s := range strings.Split(strings.Join(req.Header[name], ","), ",") {
			all = append(all, strings.ToLower(strings.Trim(s, " \t")))
		}
		return all
	}
	one := func(name string) string { return strings.Join(req.Header[name], "|") }
	switch {
	case req.Method != "GET", req.Proto != "HTTP/1.1", req.Host == "" && req.Header["Host"] != nil,
		!slices.Contains(list("Upgrade"), "websocket"), !slices.Contains(list("Connection"), "upgrade"),
		one("Sec-Websocket-Version") != "13", len(one("Sec-Websocket-Key")) != 24:
		t.Fatalf("101 for %q", req.Header)
	case resp.Header.Get("Sec-WebSocket-Accept") != acceptKey(one("Sec-Websocket-Key")):
		t.Fatalf("key %q was answered by %q", one("Sec-Websocket-Key"), resp.Header)
	case resp.Header["Sec-Websocket-Protocol"] != nil && !slices.Contains(list("Sec-Websocket-Protocol"), "chat"):
		t.Fatalf("%q was not offered: %q", resp.Header, req.Header)
	case resp.Header["Sec-Websocket-Extensions"] != nil && !strings.Contains(one("Sec-Websocket-Extensions"), pmd):
		t.Fatalf("%q was not offered: %q", resp.Header, req.Header)
	}
	if origin := req.Header["Origin"]; len(origin) > 1 || len(origin) == 1 && !strings.Contains(strings.ToLower(origin[0]), strings.ToLower(req.Host)) {
		t.Fatalf("origin %q was let in to %q", origin, req.Host)
	}
}
