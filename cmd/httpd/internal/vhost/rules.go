package vhost

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// headers sets header lines before anybody answers, so that errors have them as well. Each rule that matches counts, in the order
// of the file.
func headers(s *config.Site) (http.Middleware, error) {
	if len(s.Headers) == 0 {
		return nil, nil
	}
	type rule struct {
		path  *http.Table[struct{}] // nil for all
		lines [][2]string
	}
	var rules []rule
	for i, h := range s.Headers {
		var r rule
		if h.Path != "" {
			r.path = new(http.Table[struct{}])
			if err := r.path.Add(string(h.Path), struct{}{}); err != nil {
				return nil, config.Within("header", i, config.At("path", err))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(h.Set)) {
			r.lines = append(r.lines, [2]string{name, h.Set[name]})
		}
		rules = append(rules, r)
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			for _, r := range rules {
				if r.path != nil {
					if _, _, ok := r.path.Match(c); !ok {
						continue
					}
				}
				for _, l := range r.lines {
					if l[1] == "" {
						c.DelHeader(l[0])
					} else if err := c.SetHeader(l[0], l[1]); err != nil {
						return err
					}
				}
			}
			return next(c)
		}
	}, nil
}

func cors(s *config.Site) (m http.Middleware, err error) {
	if s.CORS == nil {
		return nil, nil
	}
	defer func() { // the middleware panics on options that make no sense, and knows best which
		if v := recover(); v != nil {
			err = config.At("cors", fmt.Errorf("%v", v))
		}
	}()
	return middleware.CORS(middleware.CORSOptions{
		AllowOrigins: s.CORS.Origins, AllowMethods: s.CORS.Methods, AllowHeaders: s.CORS.Headers, ExposeHeaders: s.CORS.Expose,
		AllowCredentials: s.CORS.Credentials.Value, MaxAge: time.Duration(s.CORS.MaxAge),
	}), nil
}

// target is where a redirect or a rewrite leads, cut at the names that a pattern has captured.
type target struct {
	text  []string // one more than names
	names []string
}

func parseTarget(to string) target {
	var t target
	for {
		before, rest, ok := strings.Cut(to, "{")
		t.text = append(t.text, before)
		if !ok {
			return t
		}
		name, after, _ := strings.Cut(rest, "}") // config has seen to it
		t.names = append(t.names, name)
		to = after
	}
}

// fill puts what was captured in.
func (t target) fill(m http.Captures, encode func(string) string) string {
	s := t.text[0]
	for i, name := range t.names {
		value, _ := m.Get(name)
		s += encode(value) + t.text[i+1]
	}
	return s
}

// inURL encodes a captured part of a path for a URL: it cannot become a host, a query or another scheme there.
func inURL(s string) string { return (&url.URL{Path: "/" + s}).EscapedPath()[1:] }

func redirects(s *config.Site) (http.Middleware, error) {
	type rule struct {
		to   target
		code int
	}
	var rules http.Table[rule]
	for i, r := range s.Redirects {
		code := int(r.Code)
		if code == 0 {
			code = 308
		}
		if err := rules.Add(string(r.From), rule{parseTarget(string(r.To)), code}); err != nil {
			return nil, config.Within("redirect", i, config.At("from", err))
		}
	}
	if len(s.Redirects) == 0 {
		return nil, nil
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			r, captured, ok := rules.Match(c)
			if !ok {
				return next(c)
			}
			to := r.to.fill(captured, inURL)
			if q := c.RawQuery(); q != "" && !strings.Contains(to, "?") {
				to += "?" + q
			}
			// What was captured may begin by a slash, and make a host of itself in the place of a path: /{path} of //evil.
			if strings.HasPrefix(to, "/") {
				to = "/" + strings.TrimLeft(to, `/\`)
			}
			return c.Redirect(r.code, to)
		}
	}, nil
}

func rewrites(s *config.Site) (http.Middleware, error) {
	var rules http.Table[target]
	for i, r := range s.Rewrites {
		if err := rules.Add(string(r.From), parseTarget(string(r.To))); err != nil {
			return nil, config.Within("rewrite", i, config.At("from", err))
		}
	}
	if len(s.Rewrites) == 0 {
		return nil, nil
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			// A path that is not clean is about to be redirected to one that is.
			if to, captured, ok := rules.Match(c); ok && c.Route() != nil {
				path := to.fill(captured, func(s string) string { return s })
				if err := c.SetPath(path); err != nil {
					return &http.Error{Code: 404, Err: err}
				}
			}
			return next(c)
		}
	}, nil
}
