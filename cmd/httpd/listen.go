package main

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/cmd/httpd/internal/listener"
)

// urls returns where a browser finds a listener that is bound to addr: for a
// wildcard this machine's name for itself and its address in the network.
func urls(addr listener.Bound) []string {
	if addr.IsUnix() {
		return []string{addr.String()}
	}
	scheme, standard := "http", uint16(80)
	if addr.Secure {
		scheme, standard = "https", 443
	}
	at := addr.AddrPort()
	url := func(host string) string {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if at.Port() != standard {
			host += ":" + strconv.Itoa(int(at.Port()))
		}
		return scheme + "://" + host + "/"
	}
	ip := at.Addr().Unmap()
	if !ip.IsUnspecified() {
		return []string{url(ip.String())}
	}
	list := []string{url("localhost")}
	if lan := lanAddress(); lan.IsValid() && (lan.Is4() || ip.Is6()) {
		list = append(list, url(lan.String()))
	}
	return list
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
