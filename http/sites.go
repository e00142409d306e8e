package http

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// Sites are the Apps of one Server, by the host that a request is for. Fill one, and give it to Server.SetSites; from then on it
// does not change. To change what a server serves, give it another one.
type Sites struct {
	exact map[string]*App
	below map[string]*App // by what follows the "*" of a wildcard
	other *App

	requests atomic.Int64 // that these Apps serve, and sitesReplaced and sitesDrained
	drained  chan struct{}
}

// Bits of Sites.requests.
const (
	sitesReplaced = 1 << 62 // no request enters any more
	sitesDrained  = 1 << 61 // and none is left
)

// NewSites returns Sites where all requests are other's. With nil, requests for a host that is nobody's are answered by 421
// (RFC 9110 section 15.5.20).
func NewSites(other *App) *Sites {
	if other == nil {
		other = New()
		other.Any("/", func(*Ctx) error { return NewError(421, "there is no such site here") }, Inline)
	}
	return &Sites{exact: map[string]*App{}, below: map[string]*App{}, other: other, drained: make(chan struct{})}
}

// Add gives the requests for a host to app, whatever their port: "example.com", or "*.example.com" for all names below that;
// a name that is added itself, and the longer wildcard, come first. IPv6 addresses stand in brackets. Of app only the routes
// count, and the Limits of its Server for their bodies; limits, timeouts and the ErrorHandler are those of the Server that
// serves. Errors: a host that no request can have, or that is taken.
func (s *Sites) Add(host string, app *App) error {
	app.mustBeMade()
	key, in := strings.ToLower(strings.TrimSuffix(host, ".")), s.exact
	if rest, ok := strings.CutPrefix(key, "*."); ok {
		key, in = "."+rest, s.below
		host = rest
	}
	if name, _, hasPort := splitPort([]byte(host)); hasPort || !validHost(name) || strings.Contains(host, "*") {
		return fmt.Errorf("http: %q is no host name: want example.com, *.example.com, 192.0.2.1 or [2001:db8::1]", host)
	}
	if in[key] != nil {
		return fmt.Errorf("http: there is a site for the host %q already", host)
	}
	in[key] = app
	return nil
}

// Find returns the App for a host as a request has it, with a port or without. Any goroutine, also while it serves.
func (s *Sites) Find(host string) *App { return s.of(viewOf(host)) }

// longestHost is that of DNS, with a dot at its end and to spare.
const longestHost = 256

func (s *Sites) of(host []byte) *App {
	if len(s.exact)+len(s.below) == 0 || len(host) > longestHost {
		return s.other
	}
	name, _, _ := splitPort(host)
	if n := len(name); n > 1 && name[n-1] == '.' {
		name = name[:n-1]
	}
	var room [longestHost]byte
	folded := room[:len(name)]
	for i, c := range name {
		folded[i] = lower[c]
	}
	if app := s.exact[string(folded)]; app != nil {
		return app
	}
	if len(s.below) > 0 {
		for i, c := range folded {
			if c == '.' {
				if app := s.below[string(folded[i:])]; app != nil {
					return app
				}
			}
		}
	}
	return s.other
}

// find returns the route of a request whose head is known.
func (s *Sites) find(x *exchange) *Route { return s.of(x.host()).find(x) }

// Drained is closed when SetSites has put others in the place of s and the last request that its Apps had begun is answered:
// then what only they use can be closed. A connection that another protocol has taken over is no request any more. What a
// server had not answered when its loops ended keeps it open.
func (s *Sites) Drained() <-chan struct{} { return s.drained }

// enter says whether a request may begin, which leave ends.
func (s *Sites) enter() bool {
	if s.requests.Add(1)&sitesReplaced == 0 {
		return true
	}
	s.leave()
	return false
}

func (s *Sites) leave() {
	if s.requests.Add(-1) == sitesReplaced {
		s.drain()
	}
}

// replaced lets no request begin any more.
func (s *Sites) replaced() {
	if s.requests.Or(sitesReplaced) == 0 {
		s.drain()
	}
}

func (s *Sites) drain() {
	if s.requests.CompareAndSwap(sitesReplaced, sitesReplaced|sitesDrained) {
		close(s.drained)
	}
}

// SetSites has requests whose head comes from now on served by the Apps in sites; those that are at work end as they have
// begun, and connections stay. It may be called at any time, by any goroutine, also as a Server's first: then that needs no
// Handler. The Apps cannot be changed any more. Sites that others have taken the place of cannot be set again: it panics.
func (s *Server) SetSites(sites *Sites) {
	if sites.requests.Load()&sitesReplaced != 0 {
		panic("http: SetSites: these Sites have been replaced")
	}
	sites.other.prepare()
	for _, apps := range [...]map[string]*App{sites.exact, sites.below} {
		for _, app := range apps {
			app.prepare()
		}
	}
	if before := s.sites.Swap(sites); before != nil && before != sites {
		before.replaced()
	}
}

// route finds who handles a request whose head is known.
func (s *Server) route(x *exchange) *Route {
	for sites := s.sites.Load(); sites != nil; sites = s.sites.Load() {
		if sites.enter() { // else others have just taken their place
			x.sites = sites
			return sites.find(x)
		}
	}
	return s.find(x)
}
