// Package proxyproto has a listener of an http.Server accept the PROXY protocol, versions 1 and 2, by which a load balancer
// that passes TCP on says whose connection it is: Ctx.RemoteAddr is then that client.
//
//	server.Listen(":8080", proxyproto.Accept(netip.MustParsePrefix("10.0.0.0/8")))
//
// The header itself is read by github.com/pires/go-proxyproto. That reads from a connection and waits; here nothing may wait,
// so this package finds out how long a header is going to be, and has it read when it is whole.
package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	pp "github.com/pires/go-proxyproto"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// Accept has connections from trusted networks begin by a header of the PROXY protocol: they must have one, as the protocol
// asks for, since a receiver that guessed could be talked into believing a client. All others speak HTTP at once, and a header
// of theirs is a malformed request. The peer of a Unix socket is trusted: who may connect there is a matter of its file's
// permissions. With ListenTLS the header stands in front of TLS, where a load balancer puts it. A header that names no client (LOCAL, UNKNOWN), as health checks send, leaves the addresses as they are. It panics
// without networks.
func Accept(trusted ...netip.Prefix) http.ListenOption {
	if len(trusted) == 0 {
		panic("proxyproto: Accept needs the networks of the load balancers")
	}
	return http.WithPreface(func(b []byte, peer reactor.InetAddress) (int, reactor.InetAddress, reactor.InetAddress, error) {
		ip := peer.AddrPort().Addr().Unmap()
		if !peer.IsUnix() && !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			return -1, reactor.InetAddress{}, reactor.InetAddress{}, nil
		}
		return Read(b)
	})
}

const (
	v1Start   = "PROXY "
	longestV1 = 107 // bytes, its line end included
	v2Start   = "\r\n\r\n\x00\r\nQUIT\n"
	v2Fixed   = 16
	longestV2 = v2Fixed + 4096 // the addresses take 216 at most; the rest are TLVs, of which nothing is used
)

// ErrNoHeader: what came is no header of the PROXY protocol.
var ErrNoHeader = errors.New("proxyproto: no header of the PROXY protocol")

// Read reads a header from the beginning of b and returns its length, 0 while it is not whole, and the addresses of the
// client and of what it has connected to; they are not valid where the header names none. Errors wrap ErrNoHeader.
func Read(b []byte) (n int, client, local reactor.InetAddress, err error) {
	if n, err = size(b); n == 0 || err != nil {
		return 0, client, local, err
	}
	h, err := pp.Read(bufio.NewReaderSize(bytes.NewReader(b[:n]), n))
	if err != nil {
		return 0, client, local, fmt.Errorf("%w: %v", ErrNoHeader, err)
	}
	if h.Command.IsLocal() {
		return n, client, local, nil
	}
	return n, address(h.SourceAddr), address(h.DestinationAddr), nil
}

// size returns how long the header is, 0 while nobody can know.
func size(b []byte) (int, error) {
	switch {
	case begins(b, v1Start):
		end := bytes.Index(b[:min(len(b), longestV1)], []byte("\r\n"))
		switch {
		case end >= 0:
			return end + 2, nil
		case len(b) >= longestV1:
			return 0, fmt.Errorf("%w: a line of more than %d bytes", ErrNoHeader, longestV1)
		}
		return 0, nil
	case begins(b, v2Start):
		if len(b) < v2Fixed {
			return 0, nil
		}
		n := v2Fixed + int(binary.BigEndian.Uint16(b[v2Fixed-2:]))
		switch {
		case n > longestV2:
			return 0, fmt.Errorf("%w: %d bytes", ErrNoHeader, n)
		case len(b) < n:
			return 0, nil
		}
		return n, nil
	}
	return 0, ErrNoHeader
}

// begins says whether b, as far as it has come, is the beginning of start, or begins by it.
func begins(b []byte, start string) bool {
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

func address(a net.Addr) reactor.InetAddress {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return reactor.InetAddress{}
	}
	ap := tcp.AddrPort()
	return reactor.InetAddressFrom(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
}
