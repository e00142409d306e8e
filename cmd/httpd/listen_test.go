package main

import (
	"slices"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

func TestListenFlag(t *testing.T) {
	for _, tt := range []struct {
		in   []string
		want []string
	}{
		{[]string{"8080"}, []string{":8080"}},
		{[]string{":0", ":0"}, []string{":0", ":0"}},
		{[]string{":80", "80"}, []string{":80"}},
		{[]string{"127.0.0.1:80", "[::1]:80", "unix:/run/x"}, []string{"127.0.0.1:80", "[::1]:80", "unix:/run/x"}},
		{[]string{"localhost:80"}, []string{"localhost:80"}},
	} {
		var l listenFlag
		for _, s := range tt.in {
			if err := l.Set(s); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		if !slices.Equal(l, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.in, l, tt.want)
		}
	}
}

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
