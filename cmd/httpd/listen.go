package main

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

// defaultListen is where httpd listens when no --listen is given.
const defaultListen = ":8080"

// listenFlag is the value of --listen: addresses in the order given. Malformed
// ones are found while the flags are parsed; names are looked up later.
type listenFlag []string

func (l *listenFlag) String() string { return strings.Join(*l, ", ") }
func (l *listenFlag) Type() string   { return "ADDR" }

func (l *listenFlag) Set(s string) error {
	addr, err := normalizeListen(s)
	if err != nil {
		return err
	}
	if !slices.Contains(*l, addr) || strings.HasSuffix(addr, ":0") {
		*l = append(*l, addr)
	}
	return nil
}

// normalizeListen checks an address and completes a bare port.
func normalizeListen(s string) (string, error) {
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
		return "", errors.New("want HOST:PORT, :PORT or unix:/path")
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

// urls returns where a browser finds a listener that is bound to addr: for a
// wildcard this machine's name for itself and its address in the network.
func urls(addr reactor.InetAddress) []string {
	if addr.IsUnix() {
		return []string{addr.String()}
	}
	at := addr.AddrPort()
	ip := at.Addr().Unmap()
	if !ip.IsUnspecified() {
		return []string{httpURL(ip.String(), at.Port())}
	}
	list := []string{httpURL("localhost", at.Port())}
	if lan := lanAddress(); lan.IsValid() && (lan.Is4() || ip.Is6()) {
		list = append(list, httpURL(lan.String(), at.Port()))
	}
	return list
}

func httpURL(host string, port uint16) string {
	if port == 80 {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return "http://" + host + "/"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + "/"
}

// lanAddress is this machine's address as others reach it: the one from which it
// would talk to a host outside. Connecting a UDP socket asks the kernel's routes
// and sends nothing. Not valid when there is no such route.
func lanAddress() netip.Addr {
	// Addresses that RFC 5737 and RFC 3849 keep for documentation.
	for _, outside := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", outside)
		if err != nil {
			continue
		}
		local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		conn.Close()
		if !local.IsLoopback() && !local.IsLinkLocalUnicast() {
			return local
		}
	}
	return netip.Addr{}
}
