package http

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/reactor"
)

// TestMain runs every test once over each poller, with freed buffers poisoned, and looks for goroutines that are left.
func TestMain(m *testing.M) {
	flag.Parse()
	reactor.PoisonBuffers(true)
	pollers := []reactor.PollerKind{reactor.PollerEpoll, reactor.PollerPoll}
	for _, name := range []string{"test.fuzz", "test.fuzzworker", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			pollers = pollers[:1]
		}
	}
	code := 0
	if os.Getenv("X_TLS") != "" {
		overTLS = true
	}
	for _, poller := range pollers {
		os.Setenv(reactor.PollerEnv, string(poller))
		fmt.Printf("%s=%s\n", reactor.PollerEnv, poller)
		if m.Run() != 0 {
			code = 1
		}
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}
