package secure

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
)

// choice is what clients are given, of one reading of the settings. It does not change; certificates from files are read again when
// the files change.
type choice struct {
	config *tls.Config
	open   *tls.Config                   // of validations by ACME: they have no certificate, and do not get to speak HTTP
	exact  map[string]*http.Certificates // of the hosts of sites
	below  map[string]*http.Certificates // by what follows the "*" of a wildcard
	pairs  []*http.Certificates          // the first is for those who ask for no name that is known
	own    *selfSigned
	issuer *issuer
	names  []string // that issuer is for
}

// choose reads what c says.
func (t *TLS) choose(c *config.Config) (*choice, error) {
	s := &choice{exact: map[string]*http.Certificates{}, below: map[string]*http.Certificates{}, own: t.own, issuer: t.issuer}
	if t.issuer != nil {
		s.names = c.NamesForACME()
	}
	if err := s.addPair(&c.Site, t.logger); err != nil {
		return nil, err
	}
	for i := range c.Sites {
		if err := s.addPair(&c.Sites[i], t.logger); err != nil {
			return nil, config.Within("site", i, err)
		}
	}
	s.open = &tls.Config{GetCertificate: s.certificate, NextProtos: []string{acme.ALPNProto}, MinVersion: tls.VersionTLS12}
	s.config = s.open.Clone()
	s.config.NextProtos = []string{"http/1.1"}
	if c.TLSMinVersion.Value == "1.3" {
		s.config.MinVersion = tls.VersionTLS13
	}
	return s, s.askClients(c)
}

// addPair adds the certificate of a site, for its hosts.
func (s *choice) addPair(site *config.Site, logger *slog.Logger) error {
	if site.TLSCert == "" {
		return nil
	}
	certs, err := http.NewCertificates(http.CertificateFiles{Cert: string(site.TLSCert), Key: string(site.TLSKey)})
	if err != nil {
		return config.At("tls_cert", err)
	}
	certs.Logger = logger
	s.pairs = append(s.pairs, certs)
	for _, host := range site.Hosts {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if rest, ok := strings.CutPrefix(host, "*"); ok {
			s.below[rest] = certs
		} else {
			s.exact[host] = certs
		}
	}
	warn(certs, site, logger)
	return nil
}

// warn tells of a certificate that clients will not like.
func warn(certs *http.Certificates, site *config.Site, logger *slog.Logger) {
	cert, err := certs.GetCertificate(new(tls.ClientHelloInfo))
	if err != nil || cert.Leaf == nil {
		return
	}
	file := string(site.TLSCert)
	switch now := time.Now(); {
	case now.After(cert.Leaf.NotAfter):
		logger.Warn("a certificate has expired", "file", file, "at", cert.Leaf.NotAfter)
	case now.Before(cert.Leaf.NotBefore):
		logger.Warn("a certificate is not valid yet", "file", file, "from", cert.Leaf.NotBefore)
	}
	for _, host := range site.Hosts {
		name := strings.Replace(host, "*", "any", 1) // a label that only a wildcard is for
		if cert.Leaf.VerifyHostname(name) != nil {
			logger.Warn("a certificate is not for a host of its site", "file", file, "host", host, "for", strings.Join(cert.Leaf.DNSNames, " "))
		}
	}
}

// askClients has clients asked for certificates.
func (s *choice) askClients(c *config.Config) error {
	switch c.TLSClientAuth.Value {
	case "optional":
		s.config.ClientAuth = tls.VerifyClientCertIfGiven
	case "required":
		s.config.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return nil
	}
	var err error
	s.config.ClientCAs, err = c.TLSClientCA.CertPool()
	return config.At("tls_client_ca", err)
}

// configFor is what a client is spoken to by.
func (s *choice) configFor(hello *tls.ClientHelloInfo) *tls.Config {
	if s.issuer != nil && isValidation(hello) {
		return s.open
	}
	return s.config
}

// isValidation knows the issuer's own connections: RFC 8737 section 3.
func isValidation(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto})
}

// certificate is tls.Config's GetCertificate: the certificate of the site that has the name, else one that is issued for it, else
// that of the site whose wildcard has it, else any that is for it, else the first.
func (s *choice) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if s.issuer != nil && isValidation(hello) {
		return s.issuer.certificate(hello) // that of a challenge, or none
	}
	if certs := s.exact[name]; certs != nil {
		return certs.GetCertificate(hello)
	}
	if slices.Contains(s.names, name) {
		return s.issuer.certificate(hello)
	}
	for i, c := range []byte(name) {
		if certs := s.below[name[i:]]; c == '.' && certs != nil {
			return certs.GetCertificate(hello)
		}
	}
	for _, certs := range s.pairs {
		if cert, err := certs.GetCertificate(hello); err == nil && hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	switch {
	case s.own != nil:
		return &s.own.cert, nil
	case len(s.pairs) > 0:
		return s.pairs[0].GetCertificate(hello)
	}
	return nil, fmt.Errorf("there is no certificate for %q", name)
}
