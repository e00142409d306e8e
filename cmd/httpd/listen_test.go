package main

import (
	"testing"

	"github.com/carillon-go/carillon/cmd/httpd/internal/listener"
	"github.com/carillon-go/carillon/reactor"
)

// A phone cannot use what is this machine's own.
func TestOutermost(t *testing.T) {
	for want, list := range map[string][]string{
		"https://192.0.2.1:8443/": {"https://localhost:8443/", "unix:/run/x", "https://192.0.2.1:8443/", "http://192.0.2.1:8080/"},
		"http://localhost:8080/":  {"http://localhost:8080/", "https://127.0.0.1:8443/"},
		"https://[2001:db8::1]/":  {"http://127.0.0.1/", "https://[2001:db8::1]/"},
	} {
		if got := outermost(list); got != want {
			t.Errorf("%q: got %q, want %q", list, got, want)
		}
	}
}

func TestURLs(t *testing.T) {
	for _, tt := range []struct {
		addr, first string
		secure      bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080/", false},
		{"[::1]:8080", "http://[::1]:8080/", false},
		{"127.0.0.1:80", "http://127.0.0.1/", false},
		{"[::1]:80", "http://[::1]/", false},
		{"0.0.0.0:8080", "http://localhost:8080/", false},
		{":8080", "http://localhost:8080/", false},
		{"unix:/run/x", "unix:/run/x", false},
		{"127.0.0.1:8443", "https://127.0.0.1:8443/", true},
		{"[::1]:443", "https://[::1]/", true},
		{":443", "https://localhost/", true},
		{"127.0.0.1:80", "https://127.0.0.1:80/", true},
		{"127.0.0.1:443", "http://127.0.0.1:443/", false},
	} {
		addr, err := reactor.ParseInetAddress(tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		got := urls(listener.Bound{InetAddress: addr, Secure: tt.secure})
		if got[0] != tt.first {
			t.Errorf("%s: got %q, want %q first", tt.addr, got, tt.first)
		}
		if !addr.IsUnix() && !addr.AddrPort().Addr().IsUnspecified() && len(got) != 1 {
			t.Errorf("%s: got %q, want one URL", tt.addr, got)
		}
	}
}
