package config

import (
	"slices"
	"testing"
)

func TestAddrs(t *testing.T) {
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
		var l Addrs
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
