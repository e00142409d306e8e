package middleware

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// CORSOptions say which foreign pages may read the answers, and which requests they may make.
type CORSOptions struct {
	// AllowOrigins are the origins that are allowed, as browsers send them: in small letters, without a path, without a
	// default port.
	//
	//	"https://app.example.com"  that one
	//	"https://*.example.com"    all below example.com, one label or more; example.com itself is not among them
	//	"null"                     sandboxed frames, files and the like: anybody can make those
	//	"*"                        every page; not with AllowCredentials or AllowPrivateNetwork
	//
	// Required, unless AllowOrigin is set.
	AllowOrigins []string
	// AllowOrigin is asked for an origin that AllowOrigins does not allow, but never for "null". It runs where the handler
	// does.
	AllowOrigin func(c *http.Ctx, origin string) bool
	// AllowMethods are the methods that may be used. Default GET, HEAD, POST, PUT, PATCH, DELETE.
	AllowMethods []string
	// AllowHeaders are the request's header lines that may be used beyond those that are always allowed, such as Accept
	// and simple kinds of Content-Type. "*" stands for all but Authorization, which is named beside it if needed; not with
	// AllowCredentials. Default none.
	AllowHeaders []string
	// ExposeHeaders are the answer's header lines that a page may read, beyond those that it always may. "*" stands for
	// all; not with AllowCredentials. Default none.
	ExposeHeaders []string
	// AllowCredentials lets pages send cookies and client certificates along, and read what is answered to them.
	AllowCredentials bool
	// MaxAge is how long a browser may remember a preflight's answer, in whole seconds; browsers have bounds of their own.
	// 0 leaves it to the browser, which is 5 s; negative: not at all.
	MaxAge time.Duration
	// AllowPrivateNetwork lets pages of public sites reach this server inside a private network, in browsers that ask
	// first by Access-Control-Request-Private-Network.
	AllowPrivateNetwork bool
}

// CORS answers preflights, and tells browsers which foreign pages may read the other answers: the CORS protocol of the
// Fetch standard. It protects nothing from anybody but a browser, and does not stop a request that needs no preflight:
// see [CSRF].
//
// A preflight is an OPTIONS with Origin and Access-Control-Request-Method. It is answered here, by 204, whatever the route;
// for an origin that is not allowed the 204 has no CORS header lines, and the browser refuses. All other requests go on to
// the handler, and what it answers, also an error, has the header lines that the origin is to have. Handlers that vary by
// something themselves add to Vary by Ctx.VaryBy, for SetHeader would take Origin out of it.
//
// Use it on the App, so that it sees OPTIONS, which no route of a group does; inside Log, and outside of whatever may refuse
// a request: authentication, because preflights have no credentials, RateLimit, CSRF.
//
// It panics on options that contradict each other, on origins no browser would send, and on names that are no tokens.
func CORS(opts CORSOptions) http.Middleware {
	p := newCORSPolicy(opts)
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			origin := c.Header("Origin")
			if origin != "" && c.Method() == "OPTIONS" && c.PeekHeader("Access-Control-Request-Method") != nil {
				if err := p.preflight(c, origin); err != nil {
					return err
				}
				return c.NoContent(204)
			}
			if err := p.actual(c, origin); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// corsPolicy is CORSOptions as they are needed for each request.
type corsPolicy struct {
	any         bool
	exact       map[string]bool
	below       []originsBelow
	ask         func(c *http.Ctx, origin string) bool
	methods     string
	headers     string
	expose      string
	maxAge      string // "" is not sent
	credentials bool
	private     bool
}

func newCORSPolicy(opts CORSOptions) *corsPolicy {
	p := &corsPolicy{
		exact: make(map[string]bool), ask: opts.AllowOrigin,
		headers: corsList("AllowHeaders", opts.AllowHeaders), expose: corsList("ExposeHeaders", opts.ExposeHeaders),
		credentials: opts.AllowCredentials, private: opts.AllowPrivateNetwork,
	}
	if len(opts.AllowOrigins) == 0 && opts.AllowOrigin == nil {
		panic("middleware: CORS allows no origin: set AllowOrigins or AllowOrigin")
	}
	for _, origin := range opts.AllowOrigins {
		p.allow(origin)
	}
	methods := opts.AllowMethods
	if methods == nil {
		methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
	}
	p.methods = corsList("AllowMethods", methods)
	switch {
	case opts.MaxAge > 0:
		p.maxAge = strconv.FormatInt(int64(opts.MaxAge/time.Second), 10)
	case opts.MaxAge < 0:
		p.maxAge = "0"
	}
	// With credentials a browser takes "*" for a name; of origins it would let every page act as the user.
	for what, list := range map[string][]string{
		"AllowOrigins": opts.AllowOrigins, "AllowMethods": methods, "AllowHeaders": opts.AllowHeaders, "ExposeHeaders": opts.ExposeHeaders,
	} {
		for _, element := range list {
			if element == "*" && opts.AllowCredentials {
				panic(fmt.Sprintf("middleware: CORS: \"*\" in %s together with AllowCredentials", what))
			}
		}
	}
	if p.any && p.private {
		panic("middleware: CORS: every page could reach the private network: name the origins")
	}
	return p
}

func corsList(what string, names []string) string {
	for _, name := range names {
		mustBeToken("CORS: "+what, name)
	}
	return strings.Join(names, ", ")
}

func (p *corsPolicy) allow(origin string) {
	scheme, host, _ := strings.Cut(origin, "://")
	base, wild := strings.CutPrefix(host, "*.")
	switch {
	case origin == "*":
		p.any = true
	case origin == "null":
		p.exact[origin] = true
	case wild:
		mustBeOrigin(origin, scheme+"://"+base)
		name, _, _ := strings.Cut(base, ":")
		if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") && name != "localhost" {
			panic(fmt.Sprintf("middleware: CORS: origin %q: below that are the hosts of many owners, or none", origin))
		}
		p.below = append(p.below, originsBelow{scheme + "://", "." + base})
	default:
		mustBeOrigin(origin, origin)
		p.exact[origin] = true
	}
}

// mustBeOrigin panics unless plain is as a browser serialises an origin; given is what the options said.
func mustBeOrigin(given, plain string) {
	u, err := url.Parse(plain)
	if err == nil && (u.Host == "" || u.Scheme+"://"+u.Host != plain) {
		err = errors.New("want scheme://host or scheme://host:port in small letters")
	}
	if err == nil && (u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80") {
		err = errors.New("a default port is never sent")
	}
	for _, r := range plain {
		if r <= ' ' || r > '~' || 'A' <= r && r <= 'Z' || r == '*' {
			err = errors.New("want scheme://host or scheme://host:port in small letters, names beyond ASCII in Punycode")
		}
	}
	if err != nil {
		panic(fmt.Sprintf("middleware: CORS: origin %q: %v", given, err))
	}
}

// originsBelow are the origins of "scheme://*.name:port".
type originsBelow struct {
	scheme string // "https://"
	suffix string // ".example.com:8443"
}

func (o originsBelow) has(origin string) bool {
	host, ok := strings.CutPrefix(origin, o.scheme)
	labels, below := strings.CutSuffix(host, o.suffix)
	return ok && below && areLabels(labels)
}

var labelBytes = syntax.Where(func(c byte) bool { return syntax.IsAlnum(c) || c == '-' || c == '_' })

// areLabels accepts what may stand in front of a domain: nothing in it can end the host, so that the suffix is its end.
func areLabels(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || !labelBytes.HasAll(label) {
			return false
		}
	}
	return true
}

func (p *corsPolicy) allows(c *http.Ctx, origin string) bool {
	if p.exact[origin] {
		return true
	}
	for _, o := range p.below {
		if o.has(origin) {
			return true
		}
	}
	return p.ask != nil && origin != "null" && p.ask(c, origin)
}

// preflight sets the header lines of a preflight's answer. The lists are sent whole, whatever was asked for, for it is the
// browser that compares.
func (p *corsPolicy) preflight(c *http.Ctx, origin string) error {
	err := errors.Join(c.VaryBy("Origin"), c.VaryBy("Access-Control-Request-Method"), c.VaryBy("Access-Control-Request-Headers"))
	if p.private {
		err = errors.Join(err, c.VaryBy("Access-Control-Request-Private-Network"))
	}
	if !p.any && !p.allows(c, origin) {
		return err
	}
	err = errors.Join(err, p.shared(c, origin), setUnlessEmpty(c, "Access-Control-Allow-Methods", p.methods),
		setUnlessEmpty(c, "Access-Control-Allow-Headers", p.headers), setUnlessEmpty(c, "Access-Control-Max-Age", p.maxAge))
	if p.private && c.Header("Access-Control-Request-Private-Network") == "true" {
		err = errors.Join(err, c.SetHeader("Access-Control-Allow-Private-Network", "true"))
	}
	return err
}

// actual sets the header lines of any other answer. Where every page is allowed they do not depend on Origin, and so are
// sent without one as well: a cache may hand the answer on to a page.
func (p *corsPolicy) actual(c *http.Ctx, origin string) error {
	if !p.any {
		if err := c.VaryBy("Origin"); err != nil || origin == "" || !p.allows(c, origin) {
			return err
		}
	}
	return errors.Join(p.shared(c, origin), setUnlessEmpty(c, "Access-Control-Expose-Headers", p.expose))
}

func (p *corsPolicy) shared(c *http.Ctx, origin string) error {
	if p.any {
		return c.SetHeader("Access-Control-Allow-Origin", "*")
	}
	err := c.SetHeader("Access-Control-Allow-Origin", origin)
	if p.credentials {
		err = errors.Join(err, c.SetHeader("Access-Control-Allow-Credentials", "true"))
	}
	return err
}

func setUnlessEmpty(c *http.Ctx, name, value string) error {
	if value == "" {
		return nil
	}
	return c.SetHeader(name, value)
}
