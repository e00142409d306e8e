// Package secure is httpd's TLS: where certificates come from, which of them a client is given, and what stays the same for clients
// when the settings are read anew, or another process takes over.
package secure

import (
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
	"github.com/carillon-go/carillon/reactor"
)

// TLS is that of all listeners of a process. Clients see what was in force when they came; Reload puts something else into force.
// Open, Reload and Close belong to one goroutine.
type TLS struct {
	logger  *slog.Logger
	current atomic.Pointer[choice]
	tickets *tickets
	own     *selfSigned // nil without
	issuer  *issuer     // nil without ACME
}

// handed is what a process hands on to the one that replaces it.
type handed struct {
	Tickets []ticketKey `json:"tickets"`
	Own     *selfSigned `json:"self_signed,omitempty"`
}

// Open makes the TLS of c, with what State has handed on, nil without. names are those of a certificate that is made here, beside
// localhost and its addresses. Errors name the key.
func Open(c *config.Config, state []byte, names []string, logger *slog.Logger) (*TLS, error) {
	var from handed
	if state != nil {
		if err := json.Unmarshal(state, &from); err != nil {
			logger.Warn("what the process before has handed on cannot be read", "error", err)
			from = handed{}
		}
	}
	t := &TLS{logger: logger, tickets: newTickets(from.Tickets)}
	if c.TLSSelfSigned.Value {
		if t.own = from.Own; t.own == nil || t.own.load() != nil {
			var err error
			if t.own, err = newSelfSigned(names); err != nil {
				return nil, config.At("tls_self_signed", err)
			}
		}
	}
	if c.ACME.Value {
		var err error
		if t.issuer, err = newIssuer(c, logger); err != nil {
			return nil, err
		}
	}
	first, err := t.choose(c)
	if err != nil {
		return nil, err
	}
	t.current.Store(first)
	return t, nil
}

// State is for the process that takes over.
func (t *TLS) State() []byte {
	state, err := json.Marshal(handed{t.tickets.all(), t.own})
	if err != nil {
		return nil // it has no value that JSON has not
	}
	return state
}

// issueTimeout is how long a handshake may take where certificates are issued: the first for a name waits for that.
const issueTimeout = time.Minute

// Server is the TLS of one more server.
func (t *TLS) Server() *reactor.TLS {
	config := &tls.Config{
		NextProtos:         []string{"http/1.1", acme.ALPNProto},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return t.current.Load().configFor(hello), nil },
	}
	if t.issuer == nil {
		return &reactor.TLS{Config: config}
	}
	return &reactor.TLS{Config: config, Blocking: true, HandshakeTimeout: issueTimeout}
}

// Start begins to renew what has to be renewed, for servers that listen: their session tickets are from now on sealed by keys that
// are the same after a reload, and after another process has taken over.
func (t *TLS) Start(servers ...*reactor.TLS) {
	for _, s := range servers {
		t.tickets.serve(s.Config)
	}
	t.issue()
}

func (t *TLS) issue() {
	if t.issuer != nil {
		t.issuer.obtain(t.current.Load().names)
	}
}

// Close ends what Start has begun. Handshakes that come all the same are served.
func (t *TLS) Close() {
	t.tickets.close()
	if t.issuer != nil {
		t.issuer.close()
	}
}

// Prepare reads what c says, and returns what puts it into force, for whom comes from then on. Whether certificates are made here
// or issued by ACME stays as it was. Errors name the key; all stays as it was then.
func (t *TLS) Prepare(c *config.Config) (use func(), err error) {
	if c.ACME.Value != (t.issuer != nil) || c.TLSSelfSigned.Value != (t.own != nil) || !c.HasCertificates() {
		return func() {}, nil // from the next start on
	}
	next, err := t.choose(c)
	if err != nil {
		return nil, err
	}
	return func() {
		t.current.Store(next)
		t.issue()
	}, nil
}

// Fingerprint is that of the certificate that was made here: SHA-256, as browsers show it. "" without.
func (t *TLS) Fingerprint() string {
	if t.own == nil {
		return ""
	}
	return t.own.fingerprint()
}

// Middleware answers ACME's challenges by plain HTTP, redirects to HTTPS at the port, and adds Strict-Transport-Security, as c says.
// t may be nil, for servers that have no TLS but a proxy in front of them.
func (t *TLS) Middleware(c *config.Config, port func() int) (list []http.Middleware) {
	if t != nil && t.issuer != nil {
		list = append(list, t.issuer.challenges)
	}
	if c.RedirectsToHTTPS() {
		list = append(list, redirect(port))
	}
	if c.HSTS > 0 {
		none := middleware.SecureHeadersOptions{ContentTypeOptions: "-", FrameOptions: "-", ReferrerPolicy: "-"}
		none.HSTS = time.Duration(c.HSTS)
		list = append(list, middleware.SecureHeaders(none))
	}
	return list
}

// redirect is middleware.RedirectHTTPS for a port that is known when the first request comes.
func redirect(port func() int) http.Middleware {
	return func(next http.Handler) http.Handler {
		var made atomic.Pointer[http.Handler]
		return func(c *http.Ctx) error {
			h := made.Load()
			if h == nil {
				redirecting := middleware.RedirectHTTPS(port())(next)
				h = &redirecting
				made.Store(h)
			}
			return (*h)(c)
		}
	}
}
