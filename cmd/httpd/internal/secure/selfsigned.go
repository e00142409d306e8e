package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// selfSigned is a certificate that nobody vouches for, and its key. It lives as long as the process, and those that replace it.
type selfSigned struct {
	Cert []byte `json:"cert"` // DER
	Key  []byte `json:"key"`  // PKCS #8

	cert tls.Certificate
}

// selfSignedFor is how long one is valid: a run for development does not last longer.
const selfSignedFor = 90 * 24 * time.Hour

// newSelfSigned makes one for names, which may be addresses, beside this machine's own.
func newSelfSigned(names []string) (*selfSigned, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost", Organization: []string{"Carillon httpd, self-signed"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedFor), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range append([]string{"localhost", "127.0.0.1", "::1"}, names...) {
		if ip := net.ParseIP(strings.Trim(name, "[]")); ip == nil {
			if !slices.Contains(template.DNSNames, name) {
				template.DNSNames = append(template.DNSNames, name)
			}
		} else if !slices.ContainsFunc(template.IPAddresses, ip.Equal) {
			template.IPAddresses = append(template.IPAddresses, ip)
		}
	}
	s := new(selfSigned)
	if s.Cert, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return nil, err
	}
	if s.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, err
	}
	return s, s.load()
}

// load makes it usable. Errors: one that was handed on and is none, or has expired.
func (s *selfSigned) load() error {
	leaf, err := x509.ParseCertificate(s.Cert)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return err
	}
	if time.Now().After(leaf.NotAfter) {
		return fmt.Errorf("expired at %v", leaf.NotAfter)
	}
	s.cert = tls.Certificate{Certificate: [][]byte{s.Cert}, PrivateKey: key, Leaf: leaf}
	return nil
}

func (s *selfSigned) fingerprint() string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(s.Cert)), " ", ":")
}
