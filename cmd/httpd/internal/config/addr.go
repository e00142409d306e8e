package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/reactor"
)

// Addrs are addresses to listen on, in the order given. Malformed ones are found here; names are looked up later.
type Addrs []string

// Systemd stands for the sockets that systemd hands over, "systemd:NAME" for those of them with this FileDescriptorName.
const Systemd = "systemd"

const (
	schemeTLS   = "https://"
	schemePlain = "http://"
)

// SplitAddr says whether TLS is spoken at an address, and what it is without its scheme.
func SplitAddr(addr string) (rest string, secure bool) { return strings.CutPrefix(addr, schemeTLS) }

// AnyTLS says whether TLS is spoken at one of them.
func (a Addrs) AnyTLS() bool {
	return slices.ContainsFunc(a, func(addr string) bool { return strings.HasPrefix(addr, schemeTLS) })
}

// Set implements Value.
func (a *Addrs) Set(s string) error {
	rest, secure := SplitAddr(s)
	addr, err := normalizeAddr(strings.TrimPrefix(rest, schemePlain))
	if err != nil {
		return err
	}
	if secure {
		addr = schemeTLS + addr
	}
	if !slices.Contains(*a, addr) || strings.HasSuffix(addr, ":0") {
		*a = append(*a, addr)
	}
	return nil
}

// normalizeAddr checks an address and completes a bare port.
func normalizeAddr(s string) (string, error) {
	if name, ok := strings.CutPrefix(s, Systemd+":"); s == Systemd || ok && name != "" && name[0] > '9' {
		return s, nil
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return "", errors.New("unix: needs the path of a socket")
		}
		_, err := reactor.ParseInetAddress(s)
		return s, err
	}
	if _, err := parsePort(s); err == nil {
		return ":" + s, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q: want HOST:PORT, :PORT or unix:/path, by TLS with https:// in front", s)
	}
	if _, err := parsePort(port); err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		_, err := reactor.ParseInetAddress(s)
		return s, err
	}
	// A host name cannot hold these; a lookup would only say that it is unknown.
	if strings.ContainsAny(host, " \t\r\n/:@[]%") {
		return "", fmt.Errorf("%q is no host", host)
	}
	return s, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no port, which is a number from 0 to 65535", s)
	}
	return uint16(n), nil
}
