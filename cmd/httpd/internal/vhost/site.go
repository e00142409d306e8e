// Package vhost makes of a site's configuration what serves it: files or upstreams, and the rules in front of them.
//
// All rules see the same path, decoded once and clean, that the files and upstreams are looked up by; a rewrite changes it for
// all that stand behind. From the outside in: what the whole server has (log, counters), header lines, CORS, redirects,
// rewrites, passwords, content.
package vhost

import (
	"crypto/tls"
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
	"github.com/carillon-go/carillon/http/proxy"
	"github.com/carillon-go/carillon/static"
)

// Options are what the server gives to all sites.
type Options struct {
	Around []http.Middleware // outermost first: log, counters
	Behind []http.Middleware // behind what trusted proxies tell, in front of all rules
	Live   http.Middleware   // directly in front of the files; nil without
}

// maxBody bounds the body of a request that is neither passed on nor an upload, in bytes. A form's worth is let through to the
// 405 that the method has.
const maxBody = 4 << 10

// unbounded is for proxies: the upstream has limits of its own.
const unbounded = 1 << 62

// Sites are what a server serves, and what that holds.
type Sites struct {
	*http.Sites
	folders []*static.Files
}

// Close gives back what the sites hold, when the requests that use it have ended. What comes later is answered by 503: call it
// when the server has others, and these are Drained, or when it has ended.
func (s *Sites) Close() {
	for _, f := range s.folders {
		_ = f.Close() // of what was only read
	}
}

// Build makes the sites of c. Errors name the key; nothing is left open then.
func Build(c *config.Config, o Options) (*Sites, error) {
	b := &builder{config: c, Options: o, passwords: newPasswords()}
	sites, err := b.sites(c)
	if err != nil {
		b.built.Close()
		return nil, err
	}
	b.built.Sites = sites
	return &b.built, nil
}

func (b *builder) sites(c *config.Config) (*http.Sites, error) {
	var other *http.App
	if c.Root != "" || len(c.Proxies)+len(c.Redirects) > 0 {
		var err error
		if other, err = b.app(&c.Site); err != nil {
			return nil, err
		}
	}
	if other == nil {
		other = http.New()
		other.Use(b.Around...)
		other.Use(b.front()...)
		other.Any("/", func(*http.Ctx) error { return http.NewError(421, "there is no such site here") }, http.Inline)
	}
	sites := http.NewSites(other)
	for i := range c.Sites {
		app, err := b.app(&c.Sites[i])
		if err != nil {
			return nil, config.Within("site", i, err)
		}
		for _, host := range c.Sites[i].Hosts {
			if err := sites.Add(host, app); err != nil {
				return nil, config.Within("site", i, config.At("hosts", err))
			}
		}
	}
	return sites, nil
}

type builder struct {
	config *config.Config
	Options
	passwords *passwords
	built     Sites
}

// content is what answers for a path.
type content struct {
	handler http.Handler
	maxBody func(c *http.Ctx) int64 // in bytes, for a request; from unbounded on there is no bound
}

// small is for what has no use for a body.
func small(*http.Ctx) int64 { return maxBody }

func (b *builder) app(s *config.Site) (*http.App, error) {
	var contents http.Table[content]
	for i := range s.Proxies {
		c, err := b.proxy(&s.Proxies[i])
		if err == nil {
			err = config.At("path", contents.Add(string(s.Proxies[i].Path), c))
		}
		if err != nil {
			return nil, config.Within("proxy", i, err)
		}
	}
	files := content{func(*http.Ctx) error { return http.NewError(404, "") }, small}
	if s.Root != "" {
		var err error
		if files, err = b.files(s); err != nil {
			return nil, err
		}
	}
	rules, err := b.rules(s)
	if err != nil {
		return nil, err
	}
	app := http.New()
	app.Use(b.Around...)
	app.Use(rules...)
	app.Mount("/", func(c *http.Ctx) error {
		found, _, ok := contents.Match(c)
		if !ok {
			found = files
		}
		if limit := found.maxBody(c); limit < unbounded {
			if err := c.LimitBody(limit); err != nil {
				return err
			}
		}
		return found.handler(c)
	}, http.Inline, http.StreamBody, http.MaxBody(unbounded))
	return app, nil
}

// Plain takes the system's own words out of an error, without the calls and paths that were put around them: the caller names
// those once, and better.
func Plain(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// proxy makes the handler of an upstream.
func (b *builder) proxy(p *config.Proxy) (content, error) {
	opts := []proxy.Option{proxy.WithUpstreams(p.To[1:]...), proxy.TrustForwarded(b.config.TrustedProxies...)}
	for _, t := range []struct {
		d   config.Duration
		opt func(d time.Duration) proxy.Option
	}{
		{p.ConnectTimeout, proxy.WithConnectTimeout}, {p.ResponseTimeout, proxy.WithResponseTimeout},
		{p.IdleTimeout, proxy.WithIdleTimeout}, {p.TunnelTimeout, proxy.WithTunnelTimeout},
	} {
		if t.d > 0 {
			opts = append(opts, t.opt(time.Duration(t.d)))
		}
	}
	switch p.Host {
	case "":
	case "upstream":
		opts = append(opts, proxy.WithHost(""))
	default:
		opts = append(opts, proxy.WithHost(string(p.Host)))
	}
	if p.CA != "" || p.ServerName != "" || p.Insecure.Value {
		over := &tls.Config{ServerName: string(p.ServerName), InsecureSkipVerify: p.Insecure.Value}
		if p.CA != "" {
			var err error
			if over.RootCAs, err = p.CA.CertPool(); err != nil {
				return content{}, config.At("ca", err)
			}
		}
		opts = append(opts, proxy.WithTLS(over))
	}
	h, err := proxy.Open(p.To[0], opts...)
	if err != nil {
		return content{}, config.At("to", err)
	}
	if p.Strip != "" {
		h = strip(string(p.Strip), h)
	}
	limit := int64(unbounded)
	if p.MaxBody > 0 {
		limit = int64(p.MaxBody)
	}
	return content{h, func(*http.Ctx) int64 { return limit }}, nil
}

// strip takes a prefix off the path, for h alone.
func strip(prefix string, h http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		rest, ok := strings.CutPrefix(c.Path(), prefix)
		if !ok || rest != "" && rest[0] != '/' {
			return h(c)
		}
		if rest == "" {
			rest = "/"
		}
		if err := c.SetPath(rest); err != nil {
			return err
		}
		return h(c)
	}
}

// front is what stands in front of the rules of any site.
func (b *builder) front() (list []http.Middleware) {
	if len(b.config.TrustedProxies) > 0 {
		list = append(list, middleware.RealIPWith(middleware.RealIPOptions{Trusted: b.config.TrustedProxies, Proto: true}))
	}
	return append(list, b.Behind...)
}

// rules are the middleware of a site, the outermost first.
func (b *builder) rules(s *config.Site) ([]http.Middleware, error) {
	list := b.front()
	for _, make := range []func(*config.Site) (http.Middleware, error){headers, cors, redirects, rewrites, b.auth} {
		m, err := make(s)
		if err != nil {
			return nil, err
		}
		if m != nil {
			list = append(list, m)
		}
	}
	return list, nil
}
