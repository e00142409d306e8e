package main

import (
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

func TestURLs(t *testing.T) {
	for _, tt := range []struct{ addr, first string }{
		{"127.0.0.1:8080", "http://127.0.0.1:8080/"},
		{"[::1]:8080", "http://[::1]:8080/"},
		{"127.0.0.1:80", "http://127.0.0.1/"},
		{"[::1]:80", "http://[::1]/"},
		{"0.0.0.0:8080", "http://localhost:8080/"},
		{":8080", "http://localhost:8080/"},
		{"unix:/run/x", "unix:/run/x"},
	} {
		addr, err := reactor.ParseInetAddress(tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		got := urls(addr)
		if got[0] != tt.first {
			t.Errorf("%s: got %q, want %q first", tt.addr, got, tt.first)
		}
		if !addr.IsUnix() && !addr.AddrPort().Addr().IsUnspecified() && len(got) != 1 {
			t.Errorf("%s: got %q, want one URL", tt.addr, got)
		}
	}
}
