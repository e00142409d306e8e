package ws

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/reactor"
	"go.uber.org/goleak"
)

// TestMain runs everything over epoll, what may differ there over poll as well, and
// testsOverTLS once more over TLS, or them alone with CARILLON_TEST_TLS=1, with freed
// buffers poisoned, and looks for goroutines left over.
func TestMain(m *testing.M) {
	flag.Parse()
	reactor.PoisonBuffers(true)
	code := runOverPollers(m)
	npmRemove()
	os.Exit(code)
}

func runOverPollers(m *testing.M) (code int) {
	pollers := []string{"epoll", "poll"}
	if set := os.Getenv("CARILLON_POLLER"); set != "" || fuzzing() {
		pollers = []string{set}
	}
	everything := flag.Lookup("test.run").Value.String() == ""
	onlyTLS := os.Getenv("CARILLON_TEST_TLS") != ""
	for i, poller := range pollers {
		if again = i > 0; again && everything {
			flag.Set("test.run", onEachPoller)
		}
		if onlyTLS {
			break
		}
		if code := runOver(m, "CARILLON_POLLER="+poller); code != 0 {
			return code
		}
	}
	if !onlyTLS && (!everything || len(pollers) == 1) {
		return 0
	}
	again, overTLS = false, true
	if everything {
		flag.Set("test.run", "^Test("+strings.Join(testsOverTLS, "|")+")$")
	}
	return runOver(m, "CARILLON_POLLER=epoll")
}

// runOver is one run with a setting of the environment.
func runOver(m *testing.M, setting string) (code int) {
	name, value, _ := strings.Cut(setting, "=")
	os.Setenv(name, value)
	if overTLS {
		setting += " over TLS"
	}
	if code := m.Run(); code != 0 {
		fmt.Fprintln(os.Stderr, "with", setting)
		return code
	}
	if err := goleak.Find(goleak.IgnoreAnyFunction("runtime/pprof.profileWriter")); err != nil {
		fmt.Fprintln(os.Stderr, "with", setting+":", err)
		return 1
	}
	return 0
}

// onEachPoller are the tests for which it may matter how the loop learns of bytes and
// of room for them. The others run over the first poller only.
const onEachPoller = "Echo|Handshake|Close|Slow|Backlog|HardCap|FIN|Keepalive|Wheel|Writer|Offload|Drain|Dial|Reconnect|Stream|HubPublish|HubOrder"

// again says that everything has run over another poller before.
var again bool

// onceIsEnough skips, over the second poller, a test that is long and for which it
// makes no difference how the loop learns of bytes.
func onceIsEnough(t testing.TB) {
	if again {
		t.Skip("it has run over the other poller")
	}
}

// fuzzing reports whether this is go test -fuzz, or one of its workers: those
// must run once.
func fuzzing() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			return true
		}
	}
	return false
}
