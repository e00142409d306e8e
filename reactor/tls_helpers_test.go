package reactor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// onTLS is onTCP4 with TLS on both sides.
const onTLS = "tls:127.0.0.1:0"

// secured are the addresses of servers that were started on onTLS.
var secured sync.Map

// certificate is for localhost and 127.0.0.1, and is its own authority.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func serverTLS() *reactor.TLS {
	return &reactor.TLS{Config: &tls.Config{Certificates: []tls.Certificate{certificate()}}}
}

func clientConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// secure makes the client's side of TLS where the server has it.
func secure(tb testing.TB, conn net.Conn, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	if _, ok := secured.Load(addr.String()); !ok {
		return conn
	}
	over := tls.Client(conn, clientConfig())
	must(tb, over.Handshake())
	return over
}
