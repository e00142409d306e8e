package ws

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/carillon-go/carillon/reactor"
	"go.uber.org/goleak"
)

// TestMain runs everything over each poller, with freed buffers poisoned, and
// looks for goroutines left over.
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
	for i, poller := range pollers {
		if again = i > 0; again && flag.Lookup("test.run").Value.String() == "" {
			flag.Set("test.run", onEachPoller)
		}
		os.Setenv("CARILLON_POLLER", poller)
		if code := m.Run(); code != 0 {
			fmt.Fprintln(os.Stderr, "with CARILLON_POLLER="+poller)
			return code
		}
		if err := goleak.Find(goleak.IgnoreAnyFunction("runtime/pprof.profileWriter")); err != nil {
			fmt.Fprintln(os.Stderr, "with CARILLON_POLLER="+poller+":", err)
			return 1
		}
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
