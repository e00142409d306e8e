package endpoint

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

func TestRoutesAreAHundred(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Routes() {
		seen[r.Path] = true
		if (r.Param == "") == (r.Plain == "") {
			t.Errorf("%+v: want either a parameter or a plain answer", r)
		}
	}
	if len(seen) != 100 {
		t.Errorf("%d routes, want 100", len(seen))
	}
	for _, path := range []string{"/user/{id}", "/api/r00", "/api/r32/{id}/items/{item}"} {
		if !seen[path] {
			t.Errorf("no route %s", path)
		}
	}
}

func TestJSONIsTheMessageEncoded(t *testing.T) {
	got, err := json.Marshal(Message{Text})
	if err != nil || string(got) != JSON {
		t.Errorf("%s, %v; want %s", got, err, JSON)
	}
}

func TestWaitsTellCancelledFromTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Waits
		ctx, cancel := context.WithCancel(t.Context())
		go w.Wait(ctx)
		time.Sleep(1500 * time.Millisecond) // on the test's own clock
		cancel()
		synctest.Wait()
		left := time.Now()
		w.Wait(t.Context())
		got, err := ParseWaits(w.String())
		if err != nil {
			t.Fatal(err)
		}
		want := WaitsReport{Started: 2, Ended: 2, Cancelled: 1, LastAfter: 1500 * time.Millisecond}
		if !got.LastAt.Equal(left) {
			t.Errorf("cancelled at %v, want %v", got.LastAt, left)
		}
		got.LastAt = time.Time{}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if waited := time.Since(left); waited != MaxWait {
			t.Errorf("waited %v for a client that stays, want %v", waited, MaxWait)
		}
	})
}

func TestParseWaits(t *testing.T) {
	var none Waits
	if r, err := ParseWaits(none.String()); err != nil || r != (WaitsReport{}) {
		t.Errorf("no waits: %+v, %v", r, err)
	}
	for _, bad := range []string{"", "404 not found", "started x"} {
		if r, err := ParseWaits(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, r)
		}
	}
}

func FuzzParseWaits(f *testing.F) {
	f.Add((&Waits{}).String())
	f.Add("started 2, ended 1, cancelled 1, the last at 1700000000000000000 ns after 12 ms\n")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseWaits(s)
		if err != nil && r != (WaitsReport{}) {
			t.Errorf("%q: a report %+v beside the error %v", s, r, err)
		}
	})
}
