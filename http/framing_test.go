package http

import (
	"bufio"
	"fmt"
	"net"
	"testing"
)

// offloading is a Server whose only handler runs on goroutines, whatever the path: an App would redirect some.
func offloading(limits Limits, h Handler) *Server {
	only := &Route{chain: h, maxBody: limits.filled().MaxBody}
	return &Server{Limits: limits, find: func(*exchange) *Route { return only }}
}

// inPieces sends s in pieces of one byte, or in at most 200.
func inPieces(t testing.TB, c net.Conn, s string) {
	size := len(s)/200 + 1
	for from := 0; from < len(s); from += size {
		send(t, c, s[from:min(from+size, len(s))])
	}
}

// The framing table of INPUTS, where handlers run on goroutines: each input is refused with its code, whole, byte by byte and
// behind a request that is sound, and then the stream ends; the next connection is served.
func TestRefusedWhereHandlersAreOffloaded(t *testing.T) {
	servers := make(map[Limits]string)
	addrOf := func(limits Limits) string {
		if servers[limits] == "" {
			app := New()
			app.Any("/{rest...}", echo)
			app.Server.Limits = limits
			servers[limits] = serveApp(t, app)
		}
		return servers[limits]
	}
	for _, tc := range refusedInputs {
		addr := addrOf(tc.limits)
		for _, way := range []string{"whole", "in pieces", "pipelined"} {
			if way == "pipelined" && tc.limits.MaxURI > 0 {
				continue // the good request's own is longer
			}
			t.Run(tc.name+"/"+way, func(t *testing.T) {
				c := dial(t, addr)
				r := bufio.NewReader(c)
				switch way {
				case "whole":
					send(t, c, tc.in)
				case "in pieces":
					inPieces(t, c, tc.in)
				case "pipelined":
					send(t, c, goodRequest+tc.in)
					if _, body := answer(t, r, "GET"); body != "GET /good " {
						t.Fatalf("the good request ahead: %q", body)
					}
				}
				if res, _ := answer(t, r, "GET"); res.StatusCode != tc.code || !res.Close {
					t.Errorf("%d, close %v; want %d", res.StatusCode, res.Close, tc.code)
				}
				closes(t, r)
				c.Close()
			})
		}
		after := dial(t, addrOf(Limits{}))
		send(t, after, goodRequest)
		if _, body := answer(t, bufio.NewReader(after), "GET"); body != "GET /good " {
			t.Errorf("the next connection: %q", body)
		}
		after.Close()
	}
}

// What the table accepts comes to a handler on a goroutine, and to one that reads its body as it arrives, as it was sent.
func TestAcceptedWhereHandlersAreOffloaded(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		for _, tc := range acceptedInputs {
			s := offloading(tc.limits, echo)
			s.find(nil).stream = streamed
			addr := serve(t, s)
			for _, way := range []string{"whole", "in pieces", "pipelined"} {
				t.Run(fmt.Sprintf("%s/%s/streamed %v", tc.name, way, streamed), func(t *testing.T) {
					c := dial(t, addr)
					defer c.Close()
					r := bufio.NewReader(c)
					if way == "in pieces" {
						inPieces(t, c, tc.in)
					} else {
						send(t, c, tc.in)
					}
					for _, want := range tc.want {
						text := fmt.Sprintf("%s %s %s", want.Method, want.Path, want.Body)
						if want.Path == "" {
							text = want.Method + " / "
						}
						if want.Path == "*" {
							text = ""
						}
						if res, body := answer(t, r, want.Method); body != text || res.Close != want.Close {
							t.Fatalf("%q, close %v; want %q", body, res.Close, text)
						}
						if want.Close {
							closes(t, r)
							return
						}
					}
					if tc.limits.MaxURI > 0 || tc.limits.MaxHeader > 0 {
						return // the good request has more
					}
					send(t, c, goodRequest)
					if err := c.CloseWrite(); err != nil {
						t.Fatal(err)
					}
					if _, body := answer(t, r, "GET"); body != "GET /good " {
						t.Errorf("behind it: %q", body)
					}
					closes(t, r)
				})
			}
		}
	}
}
