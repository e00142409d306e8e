package reactor_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/reactor"
)

// TestMain runs every test once over each poller, with freed buffers poisoned,
// and looks for goroutines that are left at the end.
func TestMain(m *testing.M) {
	if os.Getenv(faultChildEnv) != "" {
		os.Exit(runFaultChild())
	}
	flag.Parse()
	reactor.PoisonBuffers(true)
	pollers := []reactor.PollerKind{reactor.PollerEpoll, reactor.PollerPoll}
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		pollers = pollers[:1]
	}
	code := 0
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
