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

// onTheWire are the tests that run once more over the second poller, and once over TLS: those of what a client sends and is sent,
// byte for byte, and of who waits for whom. They reach the server by dial alone.
var onTheWire = []string{
	"RefusedWhereHandlersAreOffloaded", "AcceptedWhereHandlersAreOffloaded", "RefusedOnSockets", "Answers", "Bodies", "KeepAlive",
	"ExpectContinue", "HandlerOutcomes", "OptionsAsterisk", "HalfCloseIsAnswered", "StreamedBodiesThatAreRefused", "BodyThatIsNotRead",
	"TrailersOfStreamedBody", "BodyThatEndsEarly", "Upgrade", "UpgradeBehindNetMiddleware", "HijackedConnectionHasWhatCameBefore",
	"HijackedConnectionCloses", "HijackedWritesDoNotMix", "HijackWithinABody", "FileTruncatedWhileItIsSent", "SendFile",
	"ResetMidAnswer", "WritesThatFailTearTheAnswer", "BrokenAnswerSparesEarlierOnes", "ClientLeavesWhileHandlerWaits",
}

// TestMain runs every test once over epoll, with freed buffers poisoned, some once more over poll and over TLS, and looks for
// goroutines that are left. With a choice of tests these run over both pollers.
func TestMain(m *testing.M) {
	flag.Parse()
	reactor.PoisonBuffers(true)
	code := 0
	run := func(poller reactor.PollerKind) {
		os.Setenv(reactor.PollerEnv, string(poller))
		fmt.Printf("%s=%s, over TLS: %v\n", reactor.PollerEnv, poller, overTLS)
		if m.Run() != 0 {
			code = 1
		}
	}
	run(reactor.PollerEpoll)
	if !given("test.fuzz") && !given("test.fuzzworker") && !given("test.bench") {
		everything := !given("test.run")
		if everything {
			flag.Set("test.run", "^Test("+strings.Join(onTheWire, "|")+")$")
		}
		run(reactor.PollerPoll)
		if everything {
			overTLS = true
			run(reactor.PollerEpoll)
		}
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}

// given says whether a flag of the test binary is set.
func given(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != "" && f.Value.String() != "false"
}
