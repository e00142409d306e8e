package natsbroker

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the main of the processes that the tests start.
func TestMain(m *testing.M) {
	if url := os.Getenv("NATSBROKER_TEST_CHILD"); url != "" {
		if err := child(url, os.Getenv("NATSBROKER_TEST_JETSTREAM") != ""); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
