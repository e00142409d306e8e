// Package launchtest starts the measured programs for tests.
package launchtest

import (
	"testing"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// Subject builds the subject and starts it as it is measured, until the test ends.
func Subject(t *testing.T) *launch.Server {
	t.Helper()
	chosen, err := peers.Parse(peers.Subject)
	if err != nil {
		t.Fatal(err)
	}
	program, err := launch.Build(t.Context(), t.TempDir(), chosen[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := launch.Start(t.Context(), chosen[0], program, launch.AnyCPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}
