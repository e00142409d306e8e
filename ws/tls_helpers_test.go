package ws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// overTLS has servers, clients and scripted peers speak TLS: see TestMain.
var overTLS bool

// testsOverTLS are the tests that run once more over TLS: those of what is on the wire,
// and of its end. They reach servers and clients by dial, script, dialed, openPair and
// openPeer alone.
var testsOverTLS = []string{
	"Handshake", "HandshakeSplit", "Greeting", "Echo", "Violations", "SendOrder", "HandshakeBehindOthers",
	"CloseByPeer", "CloseByServer", "CloseInOnMessage", "CloseUnanswered", "CloseFromBothSides", "NothingAfterClose", "Lost", "HalfCloseKeepsWhatWasSent", "Panic",
	"CloseEitherSide", "CloseClientIsLeftOpen", "CloseViolation", "CloseByJammingPeer", "CloseInOnOpen", "CloseTwice",
	"KeepaliveFindsTheDead", "KeepaliveKeepsTheLiving", "Drain", "KeepaliveOfTheHeld", "KeepaliveOfTheJammed",
	"Fragments", "FragmentsControl", "FragmentsViolations", "FragmentsEcho", "SlowReader", "PingFlood", "DropOldest",
	"Dial", "AnswerVerified", "Refusal", "Request", "RefusalInTime", "Reconnect", "ReconnectByCode", "ReconnectByStatus", "ClientKeepalive",
	"StreamEcho", "StreamReader", "StreamEnds", "StreamPeerEnds", "StreamWriteWaits", "WriterFragments", "OffloadOrder", "HubPublish",
	"Gorilla", "Coder", "ClientWithGorilla", "ClientWithCoder",
	"AutobahnClose", "AutobahnFragments", "AutobahnFraming", "AutobahnPings", "AutobahnReservedBits", "AutobahnOpcodes", "AutobahnUTF8", "AutobahnAutoFragment", "AutobahnDeflateOffers", "KeyIsNot16BytesOfBase64", "CloseCodesOnTheWire", "DeclaredLengthNeverSent", "UnknownExtensionParameters",
	"ReservedBitsWithDeflate", "BrokenDeflateData",
}

// newCertificate is for localhost and 127.0.0.1, and is its own authority.
func newCertificate() tls.Certificate {
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
}

var testCertificate = sync.OnceValue(newCertificate)

// identified is a server's side.
func identified() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testCertificate()}}
}

// trusting is a client's side.
func trusting() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(testCertificate().Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// startTLS serves s by HTTPS.
func startTLS(t testing.TB, s *http.Server) (addr string) {
	t.Helper()
	s.TLS = &reactor.TLS{Config: identified()}
	return startOn(t, s, s.ListenTLS)
}

// urlOf is the URL of a server that start has started.
func urlOf(addr string) string {
	if overTLS {
		return "wss://" + addr
	}
	return "ws://" + addr
}

// clientSide and serverSide are the sides of a connection that tests make themselves.
func clientSide(c net.Conn) net.Conn {
	if overTLS {
		return tls.Client(c, trusting())
	}
	return c
}

func serverSide(c net.Conn) net.Conn {
	if overTLS {
		return tls.Server(c, identified())
	}
	return c
}

// dialedSide is what a Client dials instead of url.
func dialedSide(url string, opts []DialOption) (string, []DialOption) {
	if !overTLS {
		return url, opts
	}
	return strings.Replace(url, "ws://", "wss://", 1), append([]DialOption{WithTLSConfig(trusting())}, opts...)
}

// tcpOf is the TCP below a connection.
func tcpOf(c net.Conn) *net.TCPConn {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	return c.(*net.TCPConn)
}

// closeWriting ends this side's stream, in good order.
func closeWriting(c net.Conn) error { return c.(interface{ CloseWrite() error }).CloseWrite() }
