package http

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// within runs check inside a handler, for one request.
func within(t *testing.T, request string, check func(c *Ctx) error) (res string) {
	t.Helper()
	addr := serve(t, &Server{Handler: check})
	c := dial(t, addr)
	send(t, c, request)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := bufio.NewReader(c).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRequestSide(t *testing.T) {
	const in = "POST http://H.example:80/a%2Fb//../%C3%A4?x=%41&y HTTP/1.1\r\nHost: h.example\r\nX-One:  1 \r\nx-one: 2\r\nX-Empty:\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
	within(t, in, func(c *Ctx) error {
		for _, tc := range []struct{ what, got, want string }{
			{"Method", c.Method(), "POST"},
			{"Path", c.Path(), "/a/b//../ä"},
			{"PeekPath", string(c.PeekPath()), "/a/b//../ä"},
			{"RawPath", c.RawPath(), "/a%2Fb//../%C3%A4"},
			{"RawQuery", c.RawQuery(), "x=%41&y"},
			{"PeekRawQuery", string(c.PeekRawQuery()), "x=%41&y"},
			{"Target", c.Target(), "http://H.example:80/a%2Fb//../%C3%A4?x=%41&y"},
			{"Host", c.Host(), "H.example:80"},
			{"Proto", c.Proto(), "HTTP/1.1"},
			{"Header", c.Header("x-ONE"), "1"},
			{"Header absent", c.Header("X-None"), ""},
			{"PeekHeader", string(c.PeekHeader("X-One")), "1"},
			{"PeekBody", string(must(c.PeekBody())), "abc"},
			{"Body", string(must(c.Body())), "abc"},
		} {
			if tc.got != tc.want {
				t.Errorf("%s: %q, want %q", tc.what, tc.got, tc.want)
			}
		}
		if c.PeekHeader("X-None") != nil || c.PeekHeader("X-Empty") == nil {
			t.Error("PeekHeader does not tell absent from empty")
		}
		var headers, trailers []string
		for name, value := range c.Headers() {
			headers = append(headers, name+": "+value)
		}
		for name, value := range c.Trailers() {
			trailers = append(trailers, name+": "+value)
		}
		if want := []string{"Host: h.example", "X-One: 1", "x-one: 2", "X-Empty: ", "Transfer-Encoding: chunked"}; !reflect.DeepEqual(headers, want) {
			t.Errorf("Headers %q", headers)
		}
		if want := []string{"X-Sum: 6"}; !reflect.DeepEqual(trailers, want) {
			t.Errorf("Trailers %q", trailers)
		}
		if !c.RemoteAddr().AddrPort().Addr().IsLoopback() || !c.LocalAddr().AddrPort().Addr().IsLoopback() {
			t.Error("addresses", c.RemoteAddr(), c.LocalAddr())
		}
		if !c.Loop().IsInLoopThread() || c.Server().Handler == nil {
			t.Error("not on the loop that it names")
		}
		return nil
	})
}

func TestAbsoluteTargetWithoutPath(t *testing.T) {
	got := within(t, "GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n", func(c *Ctx) error { return c.Text(200, c.Path()+c.RawPath()) })
	if !strings.HasSuffix(got, "\r\n\r\n//") {
		t.Error(got)
	}
}

// INPUTS, going out: nothing that splits a response is ever sent.
func TestHeaderInjection(t *testing.T) {
	got := within(t, goodRequest, func(c *Ctx) error {
		for _, bad := range []string{"a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x1bb", "a\x7fb"} {
			for what, err := range map[string]error{
				"SetHeader value": c.SetHeader("X-Good", bad), "AddHeader value": c.AddHeader("X-Good", bad),
				"SetHeader name": c.SetHeader(bad, "x"), "content type": c.Blob(200, bad, nil),
			} {
				if !errors.Is(err, ErrBadHeader) {
					t.Errorf("%s %q: %v", what, bad, err)
				}
			}
			if err := c.Redirect(302, "/"+bad); !errors.Is(err, ErrBadRedirect) {
				t.Errorf("redirect %q: %v", bad, err)
			}
		}
		for _, name := range []string{"", "a b", "a:", "ä", "Content-Length", "transfer-encoding"} {
			if err := c.SetHeader(name, "1"); !errors.Is(err, ErrBadHeader) {
				t.Errorf("name %q: %v", name, err)
			}
		}
		return c.Text(200, "clean")
	})
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if body != "clean" || strings.Contains(head, "Evil") || strings.Count(head, "\r\n") != 4 {
		t.Errorf("%q", got)
	}
}

func TestResponseHeaders(t *testing.T) {
	got := within(t, goodRequest, func(c *Ctx) error {
		for _, err := range []error{
			c.SetHeader("X-A", "1"), c.SetHeader("X-AB", "2"), c.SetHeader("x-a", "3"),
			c.AddHeader("Set-Cookie", "a=b"), c.AddHeader("Set-Cookie", "c=d"),
			c.SetHeader("X-Gone", "x"), c.SetHeader("Content-Type", "text/x"), c.SetHeader("Server", "mine"), c.SetHeader("Date", "today"),
			c.SetHeader("Connection", "close"),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		c.DelHeader("x-gone")
		return c.Blob(201, "application/octet-stream", []byte("b"))
	})
	want := "HTTP/1.1 201 Created\r\nX-AB: 2\r\nx-a: 3\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Type: text/x\r\n" +
		"Server: mine\r\nDate: today\r\nContent-Length: 1\r\nConnection: close\r\n\r\nb"
	if got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// RFC 9110 sections 6.4.1 and 8.6: answers that have no body have no length either.
func TestBodylessAnswers(t *testing.T) {
	for _, code := range []int{204, 304} {
		got := within(t, goodRequest, func(c *Ctx) error { return c.Text(code, "not sent") })
		if strings.Contains(got, "Content-Length") || strings.Contains(got, "Content-Type") || !strings.HasSuffix(got, "\r\n\r\n") {
			t.Errorf("%d: %q", code, got)
		}
	}
}

func TestServerName(t *testing.T) {
	if err := (&Server{Name: "a\r\nb", Handler: echo}).Start(); !errors.Is(err, ErrBadHeader) {
		t.Errorf("started with a Name that splits the response: %v", err)
	}
	addr := serve(t, &Server{Name: "-", Handler: echo})
	c := dial(t, addr)
	send(t, c, goodRequest)
	if res, _ := answer(t, bufio.NewReader(c), "GET"); res.Header.Get("Server") != "" {
		t.Error(res.Header)
	}
}

func TestRedirectTargets(t *testing.T) {
	for target, want := range map[string]string{
		"/":                     "/",
		"/a b/ä":                "/a%20b/%C3%A4",
		"/a%20b?x=%41#f":        "/a%20b?x=%41#f",
		"next/page":             "next/page",
		"?page=2":               "?page=2",
		"a?b:c":                 "a?b:c",
		"https://example.com/x": "https://example.com/x",
		"HTTP://example.com":    "HTTP://example.com",
		"/a//b":                 "/a//b",
		"/a\\b":                 "/a%5Cb",
		"":                      "",
		"//evil.example":        "",
		"/\\evil.example":       "",
		"\\\\evil.example":      "",
		"\\/evil.example":       "",
		" //evil.example":       "",
		"\t//evil.example":      "",
		"/\t/evil.example":      "",
		"https:evil.example":    "",
		"https:/evil.example":   "",
		"https:///evil.example": "",
		"https:/\\evil.example": "",

		"http://good.example@evil.example/":   "",
		"http://good.example\\@evil.example/": "",
		"http://good.example\\.evil.example/": "",
		"http://good.example/@evil":           "http://good.example/@evil",

		"javascript:alert(1)":   "",
		"data:text/html,x":      "",
		"mailto:a@b":            "",
		"/x\r\nSet-Cookie: a=b": "",
		"/x\x00":                "",
	} {
		if got := safeRedirect(target); got != (want != "") {
			t.Errorf("%q: safe %v", target, got)
		} else if got && inLocation.PercentEncode(target) != want {
			t.Errorf("%q: %q, want %q", target, inLocation.PercentEncode(target), want)
		}
	}
	got := within(t, goodRequest, func(c *Ctx) error {
		if err := c.Redirect(200, "/"); !errors.Is(err, ErrBadStatus) {
			t.Error(err)
		}
		return c.Redirect(308, "/ü")
	})
	if !strings.Contains(got, "308 Permanent Redirect\r\n") || !strings.Contains(got, "\r\nLocation: /%C3%BC\r\n") {
		t.Error(got)
	}
}

func TestCtxIsStaleBehindItsHandler(t *testing.T) {
	tried := make(chan struct{})
	within(t, goodRequest, func(c *Ctx) error {
		return c.Loop().QueueInLoop(func() {
			defer close(tried)
			for name, use := range map[string]func(){
				"Path": func() { c.Path() }, "Header": func() { c.Header("X") }, "PeekBody": func() { c.PeekBody() },
				"SetHeader": func() { _ = c.SetHeader("a", "b") }, "Text": func() { _ = c.Text(200, "") },
				"Upgrade": func() { _ = c.Upgrade(nil) }, "Written": func() { c.Written() },
			} {
				func() {
					defer func() {
						if v := recover(); v != ErrStale {
							t.Errorf("%s: %v", name, v)
						}
					}()
					use()
				}()
			}
		})
	})
	<-tried
}

// What yields header lines must not yield those of another client's request, which the loop's one Ctx has by then.
func TestHeadersKeptBehindTheirHandler(t *testing.T) {
	var kept iter.Seq2[string, string]
	addr := serve(t, &Server{Loops: 1, Handler: func(c *Ctx) error {
		if kept == nil {
			kept = c.Headers()
			return nil
		}
		defer func() {
			if v := recover(); v != ErrStale {
				t.Errorf("%v", v)
			}
		}()
		for name, value := range kept {
			t.Errorf("%s: %s", name, value)
		}
		return nil
	}})
	for range 2 {
		c := dial(t, addr)
		send(t, c, goodRequest)
		answer(t, bufio.NewReader(c), "GET")
	}
}

func TestDateLine(t *testing.T) {
	var d dateLine
	first := string(d.at(5 * time.Second))
	if good := d.good; good <= 5*time.Second || good > 6*time.Second {
		t.Errorf("good until %v", good)
	}
	d.line[10] = '#'
	if got := string(d.at(d.good - 1)); got == first {
		t.Error("formatted again within its second")
	}
	if got := string(d.at(d.good)); got[10] == '#' {
		t.Error("not formatted again")
	}
	if _, err := time.Parse("Date: "+timeFormat+"\r\n", first); err != nil {
		t.Error(err)
	}
}

// What an idle keep-alive connection costs here, beside its TcpConnection. It is part of a promise: 600 bytes in all.
func TestConnectionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 48 {
		t.Errorf("%d bytes a connection", size)
	}
}

// A plaintext request, from its bytes to those of its answer, allocates nothing on the server's side, pipelined or not.
func TestInlineRequestDoesNotAllocate(t *testing.T) {
	if underRace() {
		t.Skip("the race detector allocates")
	}
	addr := serve(t, &Server{Loops: 1, Handler: func(c *Ctx) error { return c.Text(200, "Hello, World!") }})
	c := dial(t, addr)
	request := []byte(strings.Repeat("GET /plaintext HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n", 4))
	buf := make([]byte, 4<<10)
	round := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 4; {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += countAnswers(buf[:n])
		}
	}
	round()
	allocs := testing.AllocsPerRun(200, round)
	if allocs >= 1 {
		// The pool of output buffers keeps none of a size that was rare among the last 42,000, which were other tests'.
		for range 50000 {
			round()
		}
		allocs = testing.AllocsPerRun(200, round)
	}
	if allocs >= 1 {
		t.Errorf("%v allocations for four requests", allocs)
	}
}

// countAnswers counts the ends of the body above; one that is cut by a read would be missed, so answers are short.
func countAnswers(b []byte) (n int) {
	const end = "World!"
	for i := 0; i+len(end) <= len(b); i++ {
		if string(b[i:i+len(end)]) == end {
			n++
		}
	}
	return n
}

func BenchmarkPlaintext(b *testing.B) {
	addr := serve(b, &Server{Loops: 1, Handler: func(c *Ctx) error { return c.Text(200, "Hello, World!") }})
	for _, depth := range []int{1, 16} {
		b.Run(fmt.Sprintf("pipelined=%d", depth), func(b *testing.B) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			request := []byte(strings.Repeat("GET /plaintext HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n", depth))
			buf := make([]byte, 16<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				for got := 0; got < depth; {
					n, err := c.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					got += countAnswers(buf[:n])
				}
			}
		})
	}
}
