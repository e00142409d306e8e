package http

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/reactor"
)

// testsOverTLS are the tests that run once more over TLS: those of what a client sends and is sent, byte for byte. They reach the
// server by dial alone.
var testsOverTLS = []string{
	"RefusedWhereHandlersAreOffloaded", "AcceptedWhereHandlersAreOffloaded", "RefusedOnSockets", "Answers", "Bodies", "KeepAlive",
	"ExpectContinue", "HandlerOutcomes", "OptionsAsterisk", "HalfCloseIsAnswered", "StreamedBodiesThatAreRefused", "BodyThatIsNotRead",
	"TrailersOfStreamedBody", "BodyThatEndsEarly", "Upgrade", "UpgradeBehindNetMiddleware", "HijackedConnectionHasWhatCameBefore",
	"HijackedConnectionCloses", "HijackedWritesDoNotMix", "HijackWithinABody", "FileTruncatedWhileItIsSent", "SendFile",
	"ResetMidAnswer", "WritesThatFailTearTheAnswer", "BrokenAnswerSparesEarlierOnes", "ClientLeavesWhileHandlerWaits",
}

// TestMain runs every test once over each poller, with freed buffers poisoned, some once more over TLS, and looks for goroutines
// that are left.
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
	for _, poller := range pollers {
		os.Setenv(reactor.PollerEnv, string(poller))
		fmt.Printf("%s=%s\n", reactor.PollerEnv, poller)
		if m.Run() != 0 {
			code = 1
		}
	}
	if run := flag.Lookup("test.run"); len(pollers) > 1 && run.Value.String() == "" {
		os.Setenv(reactor.PollerEnv, string(reactor.PollerEpoll))
		fmt.Println("over TLS")
		overTLS = true
		if err := run.Value.Set("^Test(" + strings.Join(testsOverTLS, "|") + ")$"); err != nil || m.Run() != 0 {
			code = 1
		}
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}
