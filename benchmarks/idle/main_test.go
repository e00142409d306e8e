package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestMain lets the test binary be the server that measure starts.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-serve") {
		if err := runServer(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// An idle connection holds no goroutine, whatever it did before.
func TestIdleConnectionsHoldNoGoroutine(t *testing.T) {
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			_, few, err := measure(w, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			_, many, err := measure(w, 1, 300)
			if err != nil {
				t.Fatal(err)
			}
			if many > few {
				t.Errorf("%d goroutines with 300 connections, %d with 2", many, few)
			}
		})
	}
}
