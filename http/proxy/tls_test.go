package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/proxy"
	"github.com/carillon-go/carillon/reactor"
	"github.com/carillon-go/carillon/ws"
)

// tlsUpstream is an upstream of https, whose certificate is for example.com and 127.0.0.1, and who trusts it.
func tlsUpstream(t *testing.T, h nethttp.HandlerFunc) (up *httptest.Server, roots *x509.CertPool) {
	t.Helper()
	up = httptest.NewUnstartedServer(h)
	up.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(t.Output(), nil), slog.LevelInfo)
	up.StartTLS()
	t.Cleanup(up.Close)
	roots = x509.NewCertPool()
	roots.AddCert(up.Certificate())
	return up, roots
}

// What a certificate must be is what WithTLS says.
func TestTLSUpstream(t *testing.T) {
	up, roots := tlsUpstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "%s %s %s", r.TLS.NegotiatedProtocol, r.TLS.ServerName, r.Host)
	})
	own, _ := tlsUpstream(t, func(nethttp.ResponseWriter, *nethttp.Request) {})
	for _, tt := range []struct {
		name   string
		target string
		config *tls.Config
		status int
		body   string
	}{
		{"roots", up.URL, &tls.Config{RootCAs: roots}, 200, "http/1.1  "},
		{"server name", up.URL, &tls.Config{RootCAs: roots, ServerName: "example.com"}, 200, "http/1.1 example.com "},
		{"roots of the system", up.URL, nil, 502, ""},
		{"another name", up.URL, &tls.Config{RootCAs: roots, ServerName: "other.test"}, 502, ""},
		{"anything", up.URL, &tls.Config{InsecureSkipVerify: true}, 200, "http/1.1  "},
		{"old versions only", up.URL, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}, 502, ""},
		{"plain HTTP to TLS", strings.Replace(up.URL, "https:", "http:", 1), nil, 400, ""},
		{"a client's certificate that is not asked for", up.URL, &tls.Config{RootCAs: roots, Certificates: own.TLS.Certificates}, 200, "http/1.1  "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var opts []proxy.Option
			if tt.config != nil {
				opts = append(opts, proxy.WithTLS(tt.config))
			}
			addr := front(t, tt.target, opts...)
			res, err := client(t).Get("http://" + addr)
			got := body(t, res, err)
			if res.StatusCode != tt.status || tt.body != "" && got != tt.body+addr {
				t.Errorf("%d %q, want %d %q", res.StatusCode, got, tt.status, tt.body+addr)
			}
		})
	}
	plain := upstream(t, func(nethttp.ResponseWriter, *nethttp.Request) {})
	addr := front(t, strings.Replace(plain.URL, "http:", "https:", 1), proxy.WithTLS(&tls.Config{RootCAs: roots}))
	res, err := client(t).Get("http://" + addr)
	if body(t, res, err); res.StatusCode != 502 {
		t.Errorf("TLS to plain HTTP: %d", res.StatusCode)
	}
}

// Connections over TLS are kept like others, and a new one resumes the session of an earlier.
func TestTLSConnectionsAreKept(t *testing.T) {
	type seen struct {
		remote  string
		resumed bool
	}
	heard := make(chan seen, 10)
	up, roots := tlsUpstream(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		heard <- seen{r.RemoteAddr, r.TLS.DidResume}
		if r.URL.Path == "/last" {
			w.Header().Set("Connection", "close")
		}
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	})
	addr := front(t, up.URL, proxy.WithTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"}))
	cl := client(t)
	var first seen
	for i, path := range []string{"/", "/", "/last", "/"} {
		sent := strings.Repeat("x", 200_000)
		res, err := cl.Post("http://"+addr+path, "text/plain", strings.NewReader(sent))
		if got := body(t, res, err); got != sent {
			t.Fatalf("request %d: %d, %d bytes, %.100q", i, res.StatusCode, len(got), got)
		}
		s := <-heard
		if i == 0 {
			first = s
		}
		if (s.remote == first.remote) != (i < 3) || s.resumed != (i == 3) {
			t.Errorf("request %d: %+v, the first was %+v", i, s, first)
		}
	}
}

// The proxy between two sides that both speak TLS: the scheme that the upstream is told, and a WebSocket.
func TestTLSOnBothSides(t *testing.T) {
	app := http.New()
	app.Get("/ws", ws.Endpoint(echo{}), http.Inline)
	app.Get("/", func(c *http.Ctx) error {
		return c.Text(200, c.Header("X-Forwarded-Proto")+" "+c.Header("Forwarded")+" "+c.Scheme())
	})
	own, roots := tlsUpstream(t, nil) // for its certificate
	back := runTLS(t, app, own.TLS.Certificates)
	to := http.New()
	to.Mount("/", proxy.New("https://"+back, proxy.WithTLS(&tls.Config{RootCAs: roots})), http.Inline, http.StreamBody)
	addr := runTLS(t, to, own.TLS.Certificates)
	cl := client(t)
	cl.Transport.(*nethttp.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	res, err := cl.Get("https://" + addr)
	if got, want := body(t, res, err), `https for=127.0.0.1;host="`+addr+`";proto=https https`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: roots}}
	c, res, err := dialer.Dial("wss://"+addr+"/ws", nil)
	if err != nil {
		t.Fatalf("%v, %v", err, res)
	}
	defer c.Close()
	for _, size := range []int{0, 1, 70_000, 1 << 20} {
		sent := bytes.Repeat([]byte("x"), size)
		if err := c.WriteMessage(websocket.BinaryMessage, sent); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
		}
	}
	if err := c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("the end is %v", err)
	}
}

// runTLS is run over TLS.
func runTLS(t *testing.T, app *http.App, certs []tls.Certificate) string {
	t.Helper()
	app.Server.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	app.Server.Loops = 1
	app.Server.TLS = &reactor.TLS{Config: &tls.Config{Certificates: certs}}
	addr, err := app.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return addr.String()
}

// A body that ends with its connection is whole when TLS says so, and cut off where a FIN comes without that: anybody on the way
// can send one (RFC 8446 section 6.1).
func TestTruncationByATLSUpstream(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	const open = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
	for _, tt := range []struct {
		name, says string
		notify, ok bool
	}{
		{"length, close_notify", whole, true, true},
		{"length, FIN", whole, false, true},
		{"no length, close_notify", open, true, true},
		{"no length, FIN", open, false, false},
		{"no length, no body, FIN", strings.TrimSuffix(open, "hello"), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			own, roots := tlsUpstream(t, nil)
			addr := scripted(t, func(c net.Conn, _ *bufio.Reader) {
				over := tls.Server(c, &tls.Config{Certificates: own.TLS.Certificates})
				if _, err := nethttp.ReadRequest(bufio.NewReader(over)); err != nil {
					return
				}
				_, _ = io.WriteString(over, tt.says)
				if tt.notify {
					_ = over.CloseWrite()
				}
			})
			res, err := client(t).Get("http://" + front(t, strings.Replace(addr, "http:", "https:", 1), proxy.WithTLS(&tls.Config{RootCAs: roots})))
			if err != nil {
				if tt.ok {
					t.Error(err)
				}
				return // cut before the head had been sent
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if ok := err == nil && res.StatusCode == 200; ok != tt.ok || ok && string(got) != "hello" {
				t.Errorf("%d %q, %v", res.StatusCode, got, err)
			}
		})
	}
}

// An upstream that accepts and says nothing is too slow, as one that does not accept is.
func TestTLSHandshakeTimeout(t *testing.T) {
	addr := scripted(t, func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	res, err := client(t).Get("http://" + front(t, strings.Replace(addr, "http:", "https:", 1), proxy.WithConnectTimeout(50*time.Millisecond)))
	if body(t, res, err); res.StatusCode != 504 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// A client that leaves while the handshake is under way takes the attempt with it.
func TestClientLeavesDuringTheHandshake(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	var once atomic.Bool
	addr := scripted(t, func(c net.Conn, r *bufio.Reader) {
		if !once.CompareAndSwap(false, true) {
			return
		}
		_, _ = r.ReadByte()
		close(began)
		_, err := io.Copy(io.Discard, r)
		ended <- err
	})
	c := dial(t, front(t, strings.Replace(addr, "http:", "https:", 1)))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: s\r\n\r\n")
	<-began
	if err := c.(*net.TCPConn).SetLinger(0); err != nil { // a FIN alone would be no reason not to answer
		t.Fatal(err)
	}
	c.Close()
	select {
	case err := <-ended:
		if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the attempt goes on")
	}
}
