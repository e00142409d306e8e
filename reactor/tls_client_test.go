package reactor_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// TestTLSClientCutOff: a server that is gone after any part of its handshake, by a
// reset or by a FIN, is an attempt that failed, counted once; the client tries again
// until it is let in.
func TestTLSClientCutOff(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer listener.Close()
			addr, err := reactor.ParseInetAddress(listener.Addr().String())
			must(t, err)
			theirs := serverTLS().Config
			theirs.SessionTicketsDisabled = true // they would come behind the handshake
			mine := &reactor.TLS{Config: clientConfig()}
			mine.Config.MinVersion, mine.Config.MaxVersion = version, version
			failures := make(chan failure, 1000)
			life := newEnds()
			connectTo(t, runLoop(t), addr, &reactor.Callbacks{Connection: life.connection},
				reactor.WithClientTLS(mine), reactor.WithRetryDelay(time.Microsecond, time.Microsecond),
				reactor.WithConnectFailed(func(err error, in time.Duration) { failures <- failure{err, in} }))
			cuts := int64(0)
			for at := 0; ; at += 67 {
				plain, err := listener.Accept()
				must(t, err)
				must(t, plain.SetDeadline(time.Now().Add(patience)))
				server := tls.Server(&cutConn{plain.(*net.TCPConn), at, at%2 == 0}, theirs)
				if server.Handshake() == nil {
					defer server.Close()
					break
				}
				cuts++
				if f := receive(t, failures, "the failure"); f.err == nil {
					t.Errorf("cut off after %d bytes: no error", at)
				}
			}
			receive(t, life.up, "the connection")
			if n := mine.Stats.Failures.Load(); cuts < 5 || n != cuts {
				t.Errorf("%d failures were counted of %d", n, cuts)
			}
		})
	}
}
