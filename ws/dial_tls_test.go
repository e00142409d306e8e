package ws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	stdhttp "net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// startSecure is start over TLS.
func startSecure(t testing.TB, h Handler, opts ...EndpointOption) string {
	t.Helper()
	return startTLS(t, &http.Server{Handler: Endpoint(h, opts...)})
}

// scriptTLS is script over TLS.
func scriptTLS(t testing.TB, config *tls.Config, f func(*peer)) (addr string) {
	t.Helper()
	return scriptOn(t, tls.NewListener(listen(t, "127.0.0.1:0"), config), func(p *peer) {
		var err error
		if p.req, err = stdhttp.ReadRequest(p.r); err == nil {
			f(p)
		}
	})
}

// TestDialTLS: the URL's host is checked against the certificate, ALPN asks for
// HTTP/1.1 alone, and cookies that are for TLS only are sent.
func TestDialTLS(t *testing.T) {
	rec := newRecorder()
	cookies := make(chan string, 10)
	addr := startSecure(t, rec, WithSubprotocols("chat"), WithAccept(func(c *http.Ctx) (any, error) {
		cookies <- c.Header("Cookie")
		return nil, nil
	}))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(&url.URL{Scheme: "https", Host: addr}, []*stdhttp.Cookie{{Name: "id", Value: "7", Secure: true}})
	for name, config := range map[string]*tls.Config{
		"TLS 1.2":   {MaxVersion: tls.VersionTLS12},
		"TLS 1.3":   {MinVersion: tls.VersionTLS13},
		"HTTP/2":    {NextProtos: []string{"h2"}},
		"own names": {NextProtos: []string{"h2", "http/1.1", "x"}, ServerName: "localhost"},
	} {
		config.RootCAs = trusting().RootCAs
		in := newInbox()
		c := dialed(t, "wss://"+addr+"/ws", in, WithTLSConfig(config), WithSubprotocols("chat"), WithCookieJar(jar))
		c.Send(OpText, []byte("hello"))
		if got := wait(t, "echo", in.messages); got != "hello" {
			t.Errorf("%s: %q", name, got)
		}
		state, ok := c.Conn().tcp.TLS()
		if !ok || state.NegotiatedProtocol != "http/1.1" || c.Conn().Subprotocol() != "chat" {
			t.Errorf("%s: %v, ALPN %q", name, ok, state.NegotiatedProtocol)
		}
		if got := wait(t, "request", cookies); got != "id=7" {
			t.Errorf("%s: cookie %q", name, got)
		}
		ended(t, c)
	}
	s, err := DialStream(t.Context(), "wss://"+addr, WithTLSConfig(trusting()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), OpText, []byte("stream")); err != nil {
		t.Error(err)
	}
	if _, p, err := s.Read(t.Context()); err != nil || string(p) != "stream" {
		t.Errorf("%q, %v", p, err)
	}
	s.Close(CodeNormalClosure, "")
	wait(t, "end of the client", s.Conn().Client().Done())
}

// TestDialTLSRefuses: what is not the server that was meant, or does not get to TLS,
// is an error that says so, and of its own type where there is one.
func TestDialTLSRefuses(t *testing.T) {
	secure := startSecure(t, newRecorder())
	plain := script(t, func(p *peer) {})
	answering := scriptOn(t, listen(t, "127.0.0.1:0"), func(p *peer) { p.send("HTTP/1.1 400 Bad Request\r\n\r\n"); p.waitEOF() })
	mute := scriptOn(t, listen(t, "127.0.0.1:0"), func(p *peer) { p.waitEOF() })
	demanding := identified()
	demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, trusting().RootCAs
	wary := scriptTLS(t, demanding, func(p *peer) { t.Error("let in") })
	old, elsewhere := trusting(), trusting()
	old.MaxVersion, elsewhere.ServerName = tls.VersionTLS11, "example.com"
	for name, c := range map[string]struct {
		url  string
		opts []DialOption
		is   func(error) bool
		says string
	}{
		"unknown authority": {"wss://" + secure, nil, as[x509.UnknownAuthorityError], "TLS handshake with " + secure},
		"another name":      {"wss://" + secure, []DialOption{WithTLSConfig(elsewhere)}, as[x509.HostnameError], "example.com"},
		"verified":          {"wss://" + secure, nil, as[*tls.CertificateVerificationError], ""},
		"no common version": {"wss://" + secure, []DialOption{WithTLSConfig(old)},
			func(err error) bool { return err != nil }, "no supported versions"},
		"no TLS":      {"wss://" + answering, nil, as[tls.RecordHeaderError], "does not look like a TLS handshake"},
		"closes":      {"wss://" + plain, nil, func(err error) bool { return err != nil }, "TLS handshake with"},
		"mute":        {"wss://" + mute, []DialOption{WithHandshakeTimeout(50 * time.Millisecond)}, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, "TLS handshake with"},
		"certificate": {"wss://" + wary, []DialOption{WithTLSConfig(trusting())}, as[*net.OpError], "certificate required"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := Dial(ctx, c.url, newRecorder(), c.opts...)
		if cancel(); !c.is(err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	began := scriptOn(t, listen(t, "127.0.0.1:0"), func(p *peer) { p.r.ReadByte(); cancel(); p.waitEOF() })
	if _, err := Dial(ctx, "wss://"+began, newRecorder()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// as is errors.As for a type alone.
func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// TestDialTLSThroughProxy: TLS begins behind the proxy's answer, with the server, and
// not before; what the proxy sends behind that answer is an error, not the server's.
func TestDialTLSThroughProxy(t *testing.T) {
	addr := startSecure(t, newRecorder())
	for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} { // old proxies
		asked := make(chan *stdhttp.Request, 1)
		through := proxy(t, func(p *peer) bool {
			asked <- p.req
			p.send(version + " 200 Connection established\r\n\r\n")
			return true
		})
		in := newInbox()
		c := dialed(t, "wss://"+addr, in, WithTLSConfig(trusting()), WithProxy(func(r *stdhttp.Request) (*url.URL, error) {
			if r.URL.Scheme != "https" || r.URL.Host != addr {
				t.Error(r.URL)
			}
			return through, nil
		}))
		if r := wait(t, "CONNECT", asked); r.Method != "CONNECT" || r.RequestURI != addr {
			t.Error(r.Method, r.RequestURI)
		}
		c.Send(OpText, []byte("through"))
		if got := wait(t, "echo", in.messages); got != "through" {
			t.Error(got)
		}
	}
	for answer, c := range map[string]struct {
		is   func(error) bool
		says string
	}{
		"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03":                      {func(err error) bool { return errors.Is(err, errBeforeAsked) }, "the proxy"},
		"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n":           {as[*HandshakeError], "407"},
		"HTTP/1.1 200 OK\r\n\r\n":                                  {func(err error) bool { return errors.Is(err, reactor.ErrTruncated) }, "TLS handshake"},
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n":  {func(err error) bool { return errors.Is(err, reactor.ErrTruncated) }, "TLS handshake"},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r": {func(err error) bool { return errors.Is(err, errBeforeAsked) }, "the proxy"},
	} {
		refusing := proxy(t, func(p *peer) bool {
			p.send(answer)
			p.r.Peek(1) // the client goes on, or hangs up
			p.Conn.(*net.TCPConn).CloseWrite()
			p.waitEOF()
			return false
		})
		err := refusedBy(t, "wss://"+addr, WithProxy(func(*stdhttp.Request) (*url.URL, error) { return refusing, nil }))
		if !c.is(err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// TestTruncatedTLS: a stream that is cut off without close_notify is no clean end, on
// either side, and says what it was; behind the close frames it does not matter.
func TestTruncatedTLS(t *testing.T) {
	addr := scriptTLS(t, identified(), func(p *peer) {
		p.send(p.good(""))
		p.Write(fromServer1(ws.OpText, p.req.URL.Path))
		if p.req.URL.Path == "/close" {
			p.Write(closeFromServer(4001, "bye"))
			p.wantClose(4001)
		}
		tcpOf(p.Conn).Close()
	})
	for path, want := range map[string]closeEvent{
		"/cut":   {code: CodeAbnormal, reason: reactor.ErrTruncated.Error()},
		"/close": {code: 4001, reason: "bye"},
	} {
		in := newInbox()
		dialed(t, "wss://"+addr+path, in, WithTLSConfig(trusting()))
		if got := wait(t, "message", in.messages); got != path {
			t.Error(got)
		}
		if got := wait(t, "OnClose", in.closed); got.code != want.code || got.reason != want.reason {
			t.Errorf("%s: OnClose got %v %q", path, got.code, got.reason)
		}
	}
	rec := newRecorder()
	server := startSecure(t, rec)
	for _, sent := range []string{"", "half a message"} {
		conn, err := tls.Dial("tcp", server, trusting())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, opening+"\r\n")
		wait(t, "OnOpen", rec.opened)
		if sent != "" {
			conn.Write(more(ws.OpText, sent))
		}
		closeWriting(tcpOf(conn))
		if got := wait(t, "OnClose", rec.closed); got.code != CodeAbnormal || got.reason != reactor.ErrTruncated.Error() {
			t.Errorf("%q: OnClose got %v %q", sent, got.code, got.reason)
		}
	}
}

// TestReconnectTLS: a client comes back through another handshake, and tries again
// while the certificate is another's; with a cache it resumes its session.
func TestReconnectTLS(t *testing.T) {
	wrong := &tls.Config{Certificates: []tls.Certificate{newCertificate()}}
	turn, resumed, failures := make(chan *tls.Config, 10), make(chan bool, 10), make(chan error, 10)
	config := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return <-turn, nil }}
	addr := scriptTLS(t, config, func(p *peer) {
		resumed <- p.Conn.(*tls.Conn).ConnectionState().DidResume
		p.send(p.good(""))
		if _, err := p.r.Peek(1); err == nil {
			p.Write(closeFromServer(CodeServiceRestart, ""))
			p.waitEOF()
		}
	})
	caching := trusting()
	caching.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for _, mine := range []*tls.Config{trusting(), caching} {
		right := identified()
		turn <- right
		rec := newRecorder()
		c := dialed(t, "wss://"+addr, rec, WithTLSConfig(mine), WithReconnect(time.Millisecond, 5*time.Millisecond),
			WithConnectFailed(func(err error, _ time.Duration) { failures <- err }))
		wait(t, "OnOpen", rec.opened)
		if mine != caching { // a session that is resumed shows no certificate
			turn <- wrong
			turn <- wrong
		}
		turn <- right
		c.Send(OpText, []byte("go"))
		wait(t, "OnOpen again", rec.opened)
		for range 2 {
			if mine == caching {
				break
			}
			if err := wait(t, "failure", failures); !as[x509.UnknownAuthorityError](err) {
				t.Error(err)
			}
		}
		if first, second := wait(t, "request", resumed), wait(t, "request", resumed); first || second != (mine == caching) {
			t.Errorf("resumed: %v, %v", first, second)
		}
		ended(t, c)
	}
}
