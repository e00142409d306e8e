package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTalk(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	app := newApp()
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	defer app.Shutdown(ctx)
	for _, path := range []string{"/echo", "/stream"} {
		in, typing := io.Pipe()
		printed, out := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- talk(ctx, "ws://"+addr.String()+path, in, out) }()
		for _, line := range []string{"hello\n", "\n", strings.Repeat("wörter ", 5000) + "\n"} {
			if _, err := io.WriteString(typing, line); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(line))
			if _, err := io.ReadFull(printed, got); err != nil || string(got) != line {
				t.Fatalf("%s: %.20q, %v; want %.20q", path, got, err, line)
			}
		}
		typing.Close()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
