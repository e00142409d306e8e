package reactor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// TestTLSClientRefusesRenegotiation: a server of TLS 1.2 that asks for it is refused,
// whatever the client's Config says.
func TestTLSClientRefusesRenegotiation(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here:", err)
	}
	cert := certificate()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	must(t, err)
	file := filepath.Join(t.TempDir(), "pair.pem")
	pair := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	must(t, os.WriteFile(file, pair, 0o600))
	for name, allowed := range map[string]tls.RenegotiationSupport{"never": tls.RenegotiateNever, "freely": tls.RenegotiateFreelyAsClient} {
		t.Run(name, func(t *testing.T) {
			addr := freeAddress(t, onTCP4)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			server := exec.CommandContext(ctx, openssl, "s_server", "-accept", addr.String(), "-cert", file, "-key", file, "-tls1_2")
			commands, err := server.StdinPipe()
			must(t, err)
			must(t, server.Start())
			defer func() { cancel(); _ = server.Wait() }()
			life := newEnds()
			over := &reactor.TLS{Config: clientConfig()}
			over.Config.Renegotiation = allowed
			connectTo(t, runLoop(t), addr, &reactor.Callbacks{Connection: life.connection},
				reactor.WithClientTLS(over), reactor.WithRetryDelay(1e6, 1e7))
			receive(t, life.up, "the connection")
			_, err = io.WriteString(commands, "R\n")
			must(t, err)
			if err := receive(t, life.down, "the end"); err == nil || !strings.Contains(err.Error(), "renegotiation") {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
