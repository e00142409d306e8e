package http

import (
	"fmt"
	"strings"
)

// Sites are the Apps of one Server, by the host that a request is for. Fill one, and give it to Server.SetSites; from then on it
// does not change. To change what a server serves, give it another one.
type Sites struct {
	exact map[string]*App
	below map[string]*App // by what follows the "*" of a wildcard
	other *App
}

// NewSites returns Sites where all requests are other's. With nil, requests for a host that is nobody's are answered by 421
// (RFC 9110 section 15.5.20).
func NewSites(other *App) *Sites {
	if other == nil {
		other = New()
		other.Any("/", func(*Ctx) error { return NewError(421, "there is no such site here") }, Inline)
	}
	return &Sites{exact: map[string]*App{}, below: map[string]*App{}, other: other}
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

// SetSites has requests whose head comes from now on served by the Apps in sites; those that are at work end as they have
// begun, and connections stay. It may be called at any time, by any goroutine, also as a Server's first: then that needs no
// Handler. The Apps cannot be changed any more.
func (s *Server) SetSites(sites *Sites) {
	sites.other.prepare()
	for _, apps := range [...]map[string]*App{sites.exact, sites.below} {
		for _, app := range apps {
			app.prepare()
		}
	}
	s.sites.Store(sites)
}

// route finds who handles a request whose head is known.
func (s *Server) route(x *exchange) *Route {
	if sites := s.sites.Load(); sites != nil {
		return sites.find(x)
	}
	return s.find(x)
}
