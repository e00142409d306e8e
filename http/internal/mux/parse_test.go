package mux

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in, method, host, path string
		names                  []string
		subtree                bool
	}{
		{"/", "", "", "/", nil, true},
		{"/{$}", "", "", "/{$}", nil, false},
		{"/a", "", "", "/a", nil, false},
		{"/a/", "", "", "/a/", nil, true},
		{"GET /a", "GET", "", "/a", nil, false},
		{"GET \t /a b", "GET", "", "/a b", nil, false},
		{" /a", "", "", "/a", nil, false},
		{"M-SEARCH /", "M-SEARCH", "", "/", nil, true},
		{"PUT Example.COM/a", "PUT", "example.com", "/a", nil, false},
		{"[2001:db8::1]/", "", "[2001:db8::1]", "/", nil, true},
		{"get/", "", "get", "/", nil, true}, // small letters: a host as any other
		{"/u/{id}/f/{file...}", "", "", "/u/{id}/f/{file...}", []string{"id", "file"}, true},
		{"/{ö_1}", "", "", "/{ö_1}", []string{"ö_1"}, false},
		{"/a}", "", "", "/a}", nil, false},
	} {
		p, err := Parse(c.in)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if p.String() != c.in || p.Method() != c.method || p.Host() != c.host || p.Path() != c.path ||
			!slices.Equal(p.Names(), c.names) || p.Subtree() != c.subtree {
			t.Errorf("%q: %q %q %q %q %v", c.in, p.Method(), p.Host(), p.Path(), p.Names(), p.Subtree())
		}
		for i, name := range c.names {
			if p.Index(name) != i {
				t.Errorf("%q: %s is at %d", c.in, name, p.Index(name))
			}
		}
		if p.Index("none") != -1 {
			t.Errorf("%q has a name that it has not", c.in)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		in     string
		at     int
		reason string // a part of it
	}{
		{"", 0, `"/" matches every path`},
		// Method
		{"G@T /", 1, `'@' cannot stand in a method`},
		{"get /", 0, "write GET"},
		{"/a b", 2, "write %20 for a blank"},
		{"GET", 0, `write "GET /"`},
		{"GET \t", 5, `write "GET /"`},
		{"GET/users", 3, `write "GET /"`},
		// Host
		{"users", 0, `write "/users" for a path or "users/" for a host`},
		{"GET users", 4, `write "/users" for a path`},
		{"{id}/a", 0, "begin it with a slash"},
		{"a.{sub}.org/", 2, "no wildcards"},
		{"*.example.com/", 0, "leave it out"},
		{"GET example.com:80/", 15, "without scheme and port"},
		{"http://example.com/", 4, "without scheme and port"},
		{"::1/", 0, "IPv6 address in brackets"},
		{"[::1]:80/", 5, `write "[::1]/"`},
		{"[::1/", 4, `closing "]"`},
		{"[1.2.3.4]/", 1, "no IPv6 address"},
		{"[fe80::1%eth0]/", 1, "without a zone"},
		{"bücher.example/", 1, "xn--"},
		{"GET a b/", 5, `' ' cannot stand in a host`},
		{strings.Repeat("a", 256) + "/", 255, "longer than 255"},
		// Unclean paths, which ServeMux takes when there is no method
		{"/a//b", 3, "two slashes"},
		{"//", 1, "two slashes"},
		{"/./a", 1, `"." or ".."`},
		{"/a/..", 3, `"." or ".."`},
		{"/a/%2e%2e/b", 3, `"." or ".."`},
		// What a decoded path cannot hold
		{"/a%2Fb", 1, "write /"},
		{"/a%00b", 1, "NUL"},
		{"/a\x00b", 1, "NUL"},
		// Wildcards
		{"/a{x}", 2, "write /{x}"},
		{"/{x}a", 4, "write {x} or put a slash after it"},
		{"/{x}{y}", 4, "write {x}"},
		{"/{x", 3, "write {x}"},
		{"/{x/y}", 3, "write {x}"},
		{"/{", 2, "closing brace"},
		{"/{}", 2, "no name"},
		{"/{...}", 2, "no name"},
		{"/{1a}", 2, "Go identifier"},
		{"/{a-b}", 2, "Go identifier"},
		{"/{a.b...}", 2, "Go identifier"},
		{"/{a..}", 2, "Go identifier"},
		{"/{\xff}", 2, "Go identifier"},
		{"/{$}/a", 1, "nothing may follow"},
		{"/{$}/", 1, "nothing may follow"},
		{"/{x...}/a", 1, "write {x}"},
		{"/{x...}/", 1, "move it to the end"},
		{"/{x}/{x}", 6, `"x" is taken`},
		{"/{x}/{x...}", 6, `"x" is taken`},
	} {
		_, err := Parse(c.in)
		var bad *SyntaxError
		if !errors.As(err, &bad) {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if bad.Offset != c.at || !strings.Contains(bad.Reason, c.reason) || bad.Pattern != c.in {
			t.Errorf("%q: byte %d, want %d with %q: %v", c.in, bad.Offset, c.at, c.reason, err)
		}
	}
	_, err := Parse("GET /{x")
	if got := err.Error(); got != `mux: pattern "GET /{x", byte 7: the wildcard lacks its closing brace; write {x}` {
		t.Error(got)
	}
}
