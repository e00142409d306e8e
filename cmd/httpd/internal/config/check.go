package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// check finds what no single value shows.
func (c *Config) check() error {
	if len(c.Hosts) > 0 {
		return At("hosts", errors.New("hosts belong to a [[site]]: what is outside is for all others"))
	}
	if err := c.Site.check(); err != nil {
		return err
	}
	if err := c.checkOutside(); err != nil {
		return err
	}
	taken := map[string]bool{}
	for i := range c.Sites {
		s := &c.Sites[i]
		if len(s.Hosts) == 0 {
			return Within("site", i, At("hosts", errors.New("a site needs the hosts that it is for")))
		}
		for _, h := range s.Hosts {
			if key := strings.ToLower(strings.TrimSuffix(h, ".")); taken[key] {
				return Within("site", i, At("hosts", fmt.Errorf("%s has a site already", h)))
			} else {
				taken[key] = true
			}
		}
		if err := s.check(); err != nil {
			return Within("site", i, err)
		}
		if s.Root == "" && len(s.Proxies)+len(s.Redirects) == 0 {
			return Within("site", i, At("root", errors.New("a site needs a root, a proxy or a redirect")))
		}
	}
	return c.checkTLS()
}

// checkOutside finds rules outside of all sites where nothing is served: whoever means them for the sites, such as a password, would
// not notice that they hold for none.
func (c *Config) checkOutside() error {
	if c.Root != "" || len(c.Proxies)+len(c.Redirects) > 0 {
		return nil
	}
	for _, k := range []struct {
		name  string
		given bool
	}{{"auth", len(c.Auth) > 0}, {"header", len(c.Headers) > 0}, {"rewrite", len(c.Rewrites) > 0}, {"cors", c.CORS != nil}} {
		if k.given {
			return At(k.name, errors.New("has no effect outside of the sites, where there is no root: each [[site]] has its own"))
		}
	}
	return nil
}

func (s *Site) check() error {
	checks := []func() error{s.checkRedirects, s.checkRewrites, s.checkAuth, s.checkProxies, s.checkCORS, s.checkHeaders, s.checkFiles, s.checkPair}
	for _, f := range checks {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) checkRedirects() error {
	var t http.Table[struct{}]
	for i, r := range s.Redirects {
		err := checkTarget(r.From, r.To)
		if err == nil && !strings.HasPrefix(string(r.To), "http://") && !strings.HasPrefix(string(r.To), "https://") && !isPath(string(r.To)) {
			err = At("to", fmt.Errorf("%q: want a path that begins with one slash, or a URL of http or https", string(r.To)))
		}
		if err == nil && strings.Contains(authority(string(r.To)), "{") {
			err = At("to", fmt.Errorf("%q: a name in the place of the host would let clients choose it", string(r.To)))
		}
		if err == nil {
			err = At("from", t.Add(string(r.From), struct{}{}))
		}
		if err != nil {
			return Within("redirect", i, err)
		}
	}
	return nil
}

func (s *Site) checkRewrites() error {
	var t http.Table[struct{}]
	for i, r := range s.Rewrites {
		err := checkTarget(r.From, r.To)
		if err == nil && !isPath(string(r.To)) {
			err = At("to", fmt.Errorf("%q: want a path that begins with one slash", string(r.To)))
		}
		if err == nil {
			err = At("from", t.Add(string(r.From), struct{}{}))
		}
		if err != nil {
			return Within("rewrite", i, err)
		}
	}
	return nil
}

// authority is the host of a URL, with what stands around it; "" for a path.
func authority(to string) string {
	_, rest, ok := strings.Cut(to, "://")
	if !ok || strings.HasPrefix(to, "/") {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func isPath(to string) bool {
	return strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") && !strings.HasPrefix(to, `/\`)
}

// checkTarget wants a pattern, and a target whose names are the pattern's.
func checkTarget(from Pattern, to Text) error {
	if from == "" {
		return At("from", errors.New("is missing: a pattern such as /old/{path...}"))
	}
	if to == "" {
		return At("to", errors.New("is missing"))
	}
	have, err := http.PatternNames(string(from))
	if err != nil {
		return At("from", err)
	}
	names, err := braces(string(to))
	if err != nil {
		return At("to", err)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return At("to", fmt.Errorf("%q: {%s} is not in the pattern %q", string(to), n, string(from)))
		}
	}
	return nil
}

func (s *Site) checkHeaders() error {
	for i, h := range s.Headers {
		if len(h.Set) == 0 {
			return Within("header", i, At("set", errors.New(`is missing: { "Name" = "value" }`)))
		}
		for name := range h.Set {
			if !isToken(name) {
				return Within("header", i, At("set", fmt.Errorf("%q is no name of a header line", name)))
			}
			switch strings.ToLower(name) {
			case "content-length", "transfer-encoding", "connection":
				return Within("header", i, At("set", fmt.Errorf("%s is the server's own to set", name)))
			}
		}
	}
	return nil
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func (s *Site) checkProxies() error {
	var t http.Table[struct{}]
	for i, p := range s.Proxies {
		err := At("path", t.Add(string(p.Path), struct{}{}))
		switch {
		case p.Path == "":
			err = At("path", errors.New("is missing: a pattern such as /api/"))
		case len(p.To) == 0:
			err = At("to", errors.New("is missing: an upstream such as http://127.0.0.1:3000"))
		case p.Strip != "" && (p.Strip[0] != '/' || strings.HasSuffix(string(p.Strip), "/")):
			err = At("strip", fmt.Errorf("%q: want a prefix such as /api, without a slash at its end", string(p.Strip)))
		case p.Strip != "" && !strips(string(p.Path), string(p.Strip)):
			err = At("strip", fmt.Errorf("%q is in front of nothing that %s matches", string(p.Strip), string(p.Path)))
		case p.Host != "" && !isHostAndPort(string(p.Host)):
			err = At("host", fmt.Errorf("%q is no host: want one such as app.example.com or app.example.com:8080, or upstream", string(p.Host)))
		case err == nil:
			err = p.checkTLS()
		}
		if err != nil {
			return Within("proxy", i, err)
		}
	}
	return nil
}

// isHostAndPort says whether a Host line can have it.
func isHostAndPort(s string) bool {
	if host, port, err := net.SplitHostPort(s); err == nil {
		if _, err := parsePort(port); err != nil {
			return false
		}
		if s = host; strings.Contains(host, ":") {
			s = "[" + host + "]"
		}
	}
	return !strings.Contains(s, "*") && new(Hosts).Set(s) == nil
}

// strips says whether a path that pattern matches can begin by prefix.
func strips(pattern, prefix string) bool {
	path := pattern[max(strings.IndexByte(pattern, '/'), 0):]
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	path, _, open := strings.Cut(path, "{")
	return path == prefix || strings.HasPrefix(path, prefix+"/") || (open || strings.HasSuffix(path, "/")) && strings.HasPrefix(prefix, path)
}

func (s *Site) checkCORS() error {
	switch {
	case s.CORS == nil:
	case len(s.CORS.Origins) == 0:
		return At("cors.origins", errors.New("is missing"))
	case s.CORS.Credentials.Value && slices.Contains(s.CORS.Origins, "*"):
		return At("cors.credentials", errors.New(`not together with the origin "*": any page could act for its visitor`))
	}
	return nil
}
