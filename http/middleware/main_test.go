package middleware

import (
	"testing"

	"github.com/carillon-go/carillon/reactor"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	reactor.PoisonBuffers(true)
	goleak.VerifyTestMain(m)
}
