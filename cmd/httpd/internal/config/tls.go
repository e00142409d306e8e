package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// listenDefault is where httpd listens when no address is given: the ports that anybody may open, and with ACME those that its
// challenges come by.
func (c *Config) listenDefault() Addrs {
	switch {
	case c.ACME.Value:
		return Addrs{schemeTLS + ":443", ":80"}
	case c.HasCertificates() && c.RedirectsToHTTPS():
		return Addrs{schemeTLS + ":8443", DefaultListen}
	case c.HasCertificates():
		return Addrs{schemeTLS + ":8443"}
	}
	return Addrs{DefaultListen}
}

// HasCertificates says whether certificates come from anywhere.
func (c *Config) HasCertificates() bool {
	return c.TLSSelfSigned.Value || c.ACME.Value || c.TLSCert != "" ||
		slices.ContainsFunc(c.Sites, func(s Site) bool { return s.TLSCert != "" })
}

// RedirectsToHTTPS says whether plain HTTP is redirected.
func (c *Config) RedirectsToHTTPS() bool { return c.HTTPSRedirect.Or(c.ACME.Value) }

// NamesForACME are the hosts that certificates are issued for, in small letters.
func (c *Config) NamesForACME() (names []string) {
	add := func(hosts Hosts) {
		for _, h := range hosts {
			h = strings.ToLower(strings.TrimSuffix(h, "."))
			if isIssuable(h) == nil && !slices.Contains(names, h) {
				names = append(names, h)
			}
		}
	}
	if add(c.ACMEHosts); len(c.ACMEHosts) == 0 {
		for i := range c.Sites {
			if c.Sites[i].TLSCert == "" {
				add(c.Sites[i].Hosts)
			}
		}
	}
	return names
}

// isIssuable says why a host can have no certificate by ACME's challenges over HTTP and TLS.
func isIssuable(host string) error {
	switch _, err := netip.ParseAddr(strings.Trim(host, "[]")); {
	case err == nil:
		return fmt.Errorf("%s: certificates are issued for names, not for addresses", host)
	case strings.HasPrefix(host, "*."):
		return fmt.Errorf("%s: certificates are issued for single names: name them one by one", host)
	case !strings.Contains(host, "."):
		return fmt.Errorf("%s: certificates are issued for names that are known everywhere, such as example.com", host)
	}
	return nil
}

// checkTLS finds what certificates, listeners and the rest of TLS's settings have against one another.
func (c *Config) checkTLS() error {
	secure := c.Listen.AnyTLS()
	switch has := c.HasCertificates(); {
	case has && !secure:
		return At("listen", fmt.Errorf("there is a certificate, and no listener for it: write https:// in front of an address, as in %s%s", schemeTLS, c.Listen[0]))
	case !has && (secure || c.Admin.AnyTLS()):
		key := "listen"
		if !secure {
			key = "admin"
		}
		return At(key, errors.New("https:// needs a certificate: tls_cert and tls_key, tls_self_signed, or acme"))
	case c.TLSSelfSigned.Value && (c.TLSCert != "" || c.ACME.Value):
		return At("tls_self_signed", errors.New("not together with tls_cert or acme: which one should clients be given?"))
	case !secure && len(c.TrustedProxies) == 0 && c.HTTPSRedirect.Value:
		return At("https_redirect", errors.New("there is no HTTPS to redirect to: want a listener with https://, or trusted_proxies that speak it"))
	case !secure && len(c.TrustedProxies) == 0 && c.HSTS > 0:
		return At("hsts", errors.New("there is no HTTPS: want a listener with https://, or trusted_proxies that speak it"))
	case c.HTTPSPort > 65535:
		return At("https_port", fmt.Errorf("%d is no port, which is a number from 0 to 65535", c.HTTPSPort))
	}
	if err := c.checkClientAuth(); err != nil {
		return err
	}
	return c.checkACME()
}

func (c *Config) checkClientAuth() error {
	switch asked := c.TLSClientAuth.Value != "off"; {
	case asked && c.TLSClientCA == "":
		return At("tls_client_auth", fmt.Errorf("%s needs tls_client_ca, the file of the authorities whose certificates are good", c.TLSClientAuth.Value))
	case !asked && c.TLSClientCA != "":
		return At("tls_client_ca", errors.New("asks nobody for a certificate by itself: want tls_client_auth, optional or required"))
	case !asked:
		return nil
	}
	_, err := c.TLSClientCA.CertPool()
	return At("tls_client_ca", err)
}

func (c *Config) checkACME() error {
	if !c.ACME.Value {
		for _, k := range []struct {
			key   string
			given bool
		}{
			{"acme_host", len(c.ACMEHosts) > 0}, {"acme_email", c.ACMEEmail != ""}, {"acme_directory", c.ACMEDirectory != ""},
			{"acme_ca", c.ACMECA != ""}, {"acme_cache", c.ACMECache != ""},
		} {
			if k.given {
				return At(k.key, errors.New("does nothing without acme = true"))
			}
		}
		return nil
	}
	for _, h := range c.ACMEHosts {
		if err := isIssuable(h); err != nil {
			return At("acme_host", err)
		}
	}
	if len(c.NamesForACME()) == 0 {
		return At("acme", errors.New("for which hosts? Name them by acme_host, or as hosts of a [[site]]"))
	}
	if d := string(c.ACMEDirectory); d != "" {
		if u, err := url.Parse(d); err != nil || u.Scheme != "https" || u.Host == "" {
			return At("acme_directory", fmt.Errorf("%q: want a URL such as https://acme-staging-v02.api.letsencrypt.org/directory", d))
		}
	}
	if c.ACMECA == "" {
		return nil
	}
	_, err := c.ACMECA.CertPool()
	return At("acme_ca", err)
}

// CertPool reads the certificates of a file.
func (t Text) CertPool() (*x509.CertPool, error) {
	text, err := os.ReadFile(string(t))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no certificate in it: want PEM, -----BEGIN CERTIFICATE-----", string(t))
	}
	return pool, nil
}

// checkPair reads the certificate and its key.
func (s *Site) checkPair() error {
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
		return nil
	case s.TLSKey == "":
		return At("tls_cert", errors.New("needs tls_key, the file of its private key, which may be the same file"))
	case s.TLSCert == "":
		return At("tls_key", errors.New("needs tls_cert, the file of the certificate that it belongs to"))
	}
	cert, err := os.ReadFile(string(s.TLSCert))
	if err == nil {
		err = isCertificate(cert)
	}
	if err != nil {
		return At("tls_cert", inFile(s.TLSCert, err))
	}
	key, err := os.ReadFile(string(s.TLSKey))
	if err != nil {
		return At("tls_key", err)
	}
	if _, err = tls.X509KeyPair(cert, key); err == nil {
		return nil
	}
	switch text := err.Error(); {
	case strings.Contains(text, "does not match"):
		err = fmt.Errorf("is not the key of the certificate %s", string(s.TLSCert))
	case strings.Contains(string(key), "ENCRYPTED"):
		err = errors.New("is encrypted: openssl pkey -in FILE -out FILE.plain takes the password off")
	default:
		err = fmt.Errorf("there is no private key in it: want PEM, -----BEGIN PRIVATE KEY----- (%s)", strings.TrimPrefix(text, "tls: "))
	}
	return At("tls_key", inFile(s.TLSKey, err))
}

// isCertificate wants a certificate in PEM.
func isCertificate(text []byte) error {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err
		}
	}
	return errors.New("there is no certificate in it: want PEM, -----BEGIN CERTIFICATE-----")
}

// inFile names the file that an error is about, unless it does so itself.
func inFile(file Text, err error) error {
	if strings.Contains(err.Error(), string(file)) {
		return err
	}
	return fmt.Errorf("%s: %w", string(file), err)
}

// checkTLS wants settings of TLS for upstreams that speak it only.
func (p *Proxy) checkTLS() error {
	secure := slices.ContainsFunc(p.To, func(to string) bool { return strings.HasPrefix(to, schemeTLS) })
	given := ""
	switch {
	case p.CA != "":
		given = "ca"
	case p.ServerName != "":
		given = "server_name"
	}
	switch {
	case given != "" && p.Insecure.Value:
		return At("insecure", fmt.Errorf("not together with %s, which would not be looked at", given))
	case given != "" && !secure:
		return At(given, errors.New("is about upstreams of https, and there is none in to"))
	case p.Insecure.Value && !secure:
		return At("insecure", errors.New("is about upstreams of https, and there is none in to"))
	}
	if p.CA == "" {
		return nil
	}
	_, err := p.CA.CertPool()
	return At("ca", err)
}
