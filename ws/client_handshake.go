package ws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	stdhttp "net/http"
	"net/url"
	"slices"
	"strings"
)

// HandshakeError is an answer, of the server or of the proxy, that did not lead to a
// WebSocket. Redirects are not followed and come as this too: Header has the Location.
type HandshakeError struct {
	Status int            // 0: the answer was not HTTP, or malformed, or too long
	Reason string         // what is wrong with the answer; "": that it is another than 101
	Header stdhttp.Header // of the answer
	Body   []byte         // its first 4 KiB at most
	Proxy  bool           // the proxy's answer to CONNECT
}

func (e *HandshakeError) Error() string {
	who, what := "server", e.Reason
	if e.Proxy {
		who = "proxy"
	}
	if what == "" {
		what = fmt.Sprintf("%d %s", e.Status, stdhttp.StatusText(e.Status))
	}
	return "ws: handshake: the " + who + " answered: " + what
}

// temporary reports whether the same request may be answered otherwise later.
func (e *HandshakeError) temporary() bool {
	switch e.Status {
	case stdhttp.StatusRequestTimeout, stdhttp.StatusTooEarly, stdhttp.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// request makes the opening request (RFC 6455 section 4.1) of one attempt, and its
// key.
func (c *Client) request(ctx context.Context) (req *stdhttp.Request, key string, err error) {
	u := *c.target.url
	if req, err = stdhttp.NewRequestWithContext(ctx, stdhttp.MethodGet, u.String(), nil); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrBadURL, err)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
		req.URL.User = nil
	}
	for name, values := range c.dial.header {
		req.Header[name] = slices.Clone(values)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if c.dial.jar != nil {
		for _, cookie := range c.dial.jar.Cookies(req.URL) {
			req.AddCookie(cookie)
		}
	}
	if c.dial.prepare != nil {
		if err := c.dial.prepare(req); err != nil {
			return nil, "", fmt.Errorf("ws: prepare the opening request: %w", err)
		}
	}
	// Of what was prepared no more than this counts.
	req = &stdhttp.Request{Method: stdhttp.MethodGet, URL: req.URL, Host: req.Host, Header: req.Header.Clone()}
	req.URL.RawQuery = escapeQuery(req.URL.RawQuery)
	if err := checkRequestHeader(req.Header); err != nil {
		return nil, "", err
	}
	if req.Header == nil {
		req.Header = stdhttp.Header{}
	}
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	key = base64.StdEncoding.EncodeToString(nonce[:])
	c.offer(req.Header, key)
	return req, key, nil
}

// offer adds what the handshake itself sends. The names are written as in the RFC,
// for servers that mind.
func (c *Client) offer(h stdhttp.Header, key string) {
	h["Upgrade"] = []string{"websocket"}
	h["Connection"] = []string{"Upgrade"}
	h["Sec-WebSocket-Key"] = []string{key}
	h["Sec-WebSocket-Version"] = []string{"13"}
	if len(c.subprotocols) > 0 {
		h["Sec-WebSocket-Protocol"] = []string{strings.Join(c.subprotocols, ", ")}
	}
	if c.deflate != nil {
		h["Sec-WebSocket-Extensions"] = []string{c.deflate.offer()}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // net/http would send its own
	}
}

// verify holds the answer against RFC 6455 section 4.1. wrong is what is wrong with
// it, or "".
func (c *Client) verify(resp *stdhttp.Response, key string) (a terms, wrong string) {
	h := resp.Header
	accepts := h.Values("Sec-WebSocket-Accept")
	switch {
	case resp.StatusCode != stdhttp.StatusSwitchingProtocols:
		return a, "the status is not 101"
	case resp.ProtoMinor == 0:
		return a, "the answer is not HTTP/1.1"
	case !strings.EqualFold(strings.Join(h.Values("Upgrade"), ","), "websocket"):
		return a, "Upgrade is not websocket"
	case !slices.ContainsFunc(h.Values("Connection"), func(v string) bool { return hasToken(v, "upgrade") }):
		return a, "Connection does not have the token Upgrade"
	case len(accepts) != 1 || trimOWS(accepts[0]) != acceptKey(key):
		return a, "Sec-WebSocket-Accept does not fit the key"
	}
	var err error
	if a.deflate, err = c.verifyExtensions(h.Values("Sec-WebSocket-Extensions")); err != nil {
		return a, err.Error()
	}
	chosen := h.Values("Sec-WebSocket-Protocol")
	switch {
	case len(chosen) == 0:
		return a, ""
	case len(chosen) > 1 || !slices.Contains(c.subprotocols, chosen[0]):
		return a, "a subprotocol that was not offered"
	}
	a.subprotocol = chosen[0]
	return a, ""
}

// verifyExtensions returns what the server agreed to, nil for no compression.
func (c *Client) verifyExtensions(answer []string) (*deflateParams, error) {
	if c.deflate == nil {
		if strings.Join(answer, "") != "" {
			return nil, errors.New("an extension that was not offered")
		}
		return nil, nil
	}
	p, on, err := c.deflate.agreed(answer)
	if err != nil || !on {
		return nil, err
	}
	return &p, nil
}

// keep gives the cookies of an answer to the jar.
func (c *Client) keep(resp *stdhttp.Response, u *url.URL) {
	if c.dial.jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			c.dial.jar.SetCookies(u, cookies)
		}
	}
}

// ownHeaders are sent by the handshake itself, or frame a body, which there is not.
var ownHeaders = []string{"Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Trailer"}

// checkRequestHeader refuses header lines that must not be sent.
func checkRequestHeader(h stdhttp.Header) error {
	for name, values := range h {
		for _, value := range values {
			if err := checkHeaderLine(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkHeaderLine(name, value string) error {
	if !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("%w: %q: %q", ErrBadRequest, name, value)
	}
	const prefix = "Sec-WebSocket-"
	if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) ||
		slices.ContainsFunc(ownHeaders, func(own string) bool { return strings.EqualFold(own, name) }) {
		return fmt.Errorf("%w: %s is the handshake's own", ErrBadRequest, name)
	}
	return nil
}
