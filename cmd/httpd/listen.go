package main

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/reactor"
)

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
