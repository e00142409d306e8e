package proxy

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/carillon-go/carillon/reactor"
)

// sessions is how many of an upstream's TLS sessions are kept for resumption.
const sessions = 64

// secure makes the TLS of an upstream of https. A handshake has the time of a connection attempt.
func (u *upstream) secure(p *proxy) {
	if u.name == "" {
		return
	}
	config := p.tls.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = u.name
	}
	if config.RootCAs == nil && !config.InsecureSkipVerify {
		_, _ = x509.SystemCertPool() // reads the files now, and not in the first handshake, on a loop; it says then what is wrong
	}
	if config.ClientSessionCache == nil {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	}
	config.NextProtos = []string{"http/1.1"}
	u.tls = &reactor.TLS{Config: config, HandshakeTimeout: p.connectTimeout}
}
