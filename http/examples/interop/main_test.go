package interop

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/reactor"
)

// TestMain poisons freed buffers and looks for goroutines that are left.
func TestMain(m *testing.M) {
	reactor.PoisonBuffers(true)
	goleak.VerifyTestMain(m)
}
