package http

import (
	"crypto/tls"
	"io"
	"maps"
	nethttp "net/http"
	"net/netip"
	"strconv"

	"github.com/carillon-go/carillon/reactor"
)

// netCarrier takes an answer to net/http.
type netCarrier struct {
	w nethttp.ResponseWriter
	r *nethttp.Request
}

// netLines returns lines, as appendLine makes them, as net/http has them.
func netLines(lines []byte) nethttp.Header {
	h := make(nethttp.Header)
	for name, value := range fieldsIn(lines) {
		h.Add(string(name), string(value))
	}
	return h
}

// header puts the lines of x in the place of those that importHeader has taken.
func (n *netCarrier) header(x *exchange) {
	h := n.w.Header()
	for name, values := range h {
		if len(values) > 0 && isLine(name) {
			delete(h, name)
		}
	}
	maps.Copy(h, netLines(x.fields))
	if x.wantClose || x.close {
		h["Connection"] = append([]string{"close"}, h["Connection"]...)
	}
}

func (n *netCarrier) start(x *exchange) error {
	n.header(x)
	h := n.w.Header()
	if name := x.server.name(); name != "-" && x.own&ownServer == 0 && x.nested == nil {
		h.Set("Server", name)
	}
	if x.length >= 0 && !bodyless(x.status) {
		h.Set("Content-Length", strconv.FormatInt(x.length, 10))
	} else {
		h.Del("Content-Length") // of somebody in front, whose body is not what is sent
	}
	if h.Get("Content-Type") == "" {
		h["Content-Type"] = nil // nobody is to guess it
	}
	n.w.WriteHeader(x.status)
	return nil
}

func (n *netCarrier) write(p []byte) error {
	_, err := n.w.Write(p)
	return n.failed(err)
}

func (n *netCarrier) failed(err error) error {
	if err != nil && n.r.Context().Err() != nil {
		return ErrClientGone
	}
	return err
}

func (n *netCarrier) flush() error { return n.failed(n.control().Flush()) }

func (n *netCarrier) control() *nethttp.ResponseController { return nethttp.NewResponseController(n.w) }

func (n *netCarrier) file(f reactor.File, off, length int64) error {
	own, err := duplicate(f)
	if err != nil {
		return closing(f, err)
	}
	defer own.Close()
	if err := f.Close(); err != nil {
		return err
	}
	_, err = io.Copy(n.w, io.NewSectionReader(own, off, length))
	return n.failed(err)
}

func (n *netCarrier) finish(trailer []byte) error {
	if len(trailer) > 0 {
		_ = n.flush() // else net/http may find that the body is short, and send it without trailers
	}
	for name, value := range fieldsIn(trailer) {
		n.w.Header().Add(nethttp.TrailerPrefix+string(name), string(value))
	}
	return nil
}

func (n *netCarrier) interim(code int, lines []byte) error {
	h := n.w.Header()
	before := maps.Clone(h)
	extra := netLines(lines)
	maps.Copy(h, extra)
	n.w.WriteHeader(code)
	for name := range extra {
		delete(h, name)
		if was, ok := before[name]; ok {
			h[name] = was
		}
	}
	return nil
}

func (n *netCarrier) tls() *tls.ConnectionState { return n.r.TLS }

func (n *netCarrier) remoteAddr() reactor.InetAddress {
	if ip, err := netip.ParseAddr(n.r.RemoteAddr); err == nil { // as middleware leaves it that believes a header
		return reactor.InetAddressFrom(netip.AddrPortFrom(ip, 0))
	}
	addr, _ := reactor.ParseInetAddress(n.r.RemoteAddr) // the zero address where it is none
	return addr
}

func (n *netCarrier) localAddr() reactor.InetAddress {
	local, ok := n.r.Context().Value(nethttp.LocalAddrContextKey).(interface{ String() string })
	if !ok {
		return reactor.InetAddress{}
	}
	addr, _ := reactor.ParseInetAddress(local.String())
	return addr
}
