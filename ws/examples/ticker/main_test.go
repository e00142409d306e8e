package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/carillon-go/carillon/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen is anything that the server says.
type seen struct {
	Symbol, Position string
	N                int
	Price            float64
	Complete         *bool
	Missed           int
}

const patience = 20 * time.Second

// start serves a ticker without prices until the test ends.
func start(t *testing.T) (tick *ticker, url string) {
	tick = newTicker()
	app := tick.app()
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(app.Shutdown(ctx), tick.hub.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return tick, "ws://" + addr.String() + "/ticker"
}

// A client that was away gets what it missed, and learns when that is not all.
func TestCatchUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick, url := start(t)
	publish := func(price int) {
		if err := tick.hub.Publish("BELL", ws.OpText, fmt.Append(nil, price)); err != nil {
			t.Error(err)
		}
	}
	subscribe := func(request string) *ws.Stream {
		s, err := ws.DialStream(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(ctx, ws.OpText, []byte(request)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	read := func(s *ws.Stream) (m seen) {
		t.Helper()
		_, p, err := s.Read(ctx)
		if err != nil || json.Unmarshal(p, &m) != nil {
			t.Fatalf("%q, %v", p, err)
		}
		return m
	}
	caughtUp := func(s *ws.Stream, complete bool, missed int) {
		t.Helper()
		if m := read(s); m.Complete == nil || *m.Complete != complete || m.Missed != missed {
			t.Fatalf("%+v", m)
		}
	}

	publish(1)
	s := subscribe(`{"subscribe":"BELL"}`)
	caughtUp(s, true, 1)
	publish(2)
	read(s)
	last := read(s)
	if last.Symbol != "BELL" || last.Price != 2 || last.N != 2 {
		t.Fatalf("%+v", last)
	}
	if err := s.Close(ws.CodeNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	for i := 3; i <= 5; i++ {
		publish(i)
	}
	s = subscribe(fmt.Sprintf(`{"subscribe":"BELL","after":%q}`, last.Position))
	caughtUp(s, true, 3)
	for i := 3; i <= 5; i++ {
		if m := read(s); m.N != i || m.Price != float64(i) {
			t.Fatalf("%+v, want %d", m, i)
		}
	}
	s.Close(ws.CodeNormalClosure, "")
	for i := range 101 { // one more than is kept
		publish(i)
	}
	s = subscribe(fmt.Sprintf(`{"subscribe":"BELL","after":%q}`, last.Position))
	caughtUp(s, false, 100)
	s.Close(ws.CodeNormalClosure, "")

	for _, bad := range []string{`{`, `{"subscribe":"LEAD"}`, `{"subscribe":"BELL","after":"x"}`} {
		if _, _, err := subscribe(bad).Read(ctx); !errors.Is(err, &ws.CloseError{Code: ws.CodePolicyViolation}) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Prices run until they are stopped.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick, url := start(t)
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		tick.run(running, time.Millisecond)
		close(done)
	}()
	s, err := ws.DialStream(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(ws.CodeNormalClosure, "")
	for _, symbol := range symbols {
		if err := s.Write(ctx, ws.OpText, fmt.Appendf(nil, `{"subscribe":%q}`, symbol)); err != nil {
			t.Fatal(err)
		}
	}
	for got := map[string]int{}; len(got) < len(symbols); {
		_, p, err := s.Read(ctx)
		var m seen
		if err != nil || json.Unmarshal(p, &m) != nil {
			t.Fatalf("%q, %v", p, err)
		}
		if m.Complete == nil && m.N > 2 {
			got[m.Symbol]++
		}
	}
	stop()
	<-done
}
