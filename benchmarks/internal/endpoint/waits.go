package endpoint

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// MaxWait is how long a handler of /wait waits for its client to leave.
const MaxWait = 5 * time.Second

// Waits counts the handlers of /wait. Its methods may be called from any
// goroutine.
type Waits struct {
	mu sync.Mutex
	WaitsReport
}

// WaitsReport is what /cancelled answers.
type WaitsReport struct {
	Started   int       // handlers that began to wait
	Ended     int       // those that returned, for whichever reason
	Cancelled int       // those whose context was cancelled before MaxWait
	LastAt    time.Time // when the last of those heard of it
	LastAfter time.Duration
}

// Wait is the handler of /wait: it returns when ctx is cancelled, which it
// counts, or after MaxWait.
func (w *Waits) Wait(ctx context.Context) {
	began := time.Now()
	w.change(func(r *WaitsReport) { r.Started++ })
	timer := time.NewTimer(MaxWait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		now := time.Now()
		w.change(func(r *WaitsReport) {
			r.Ended++
			r.Cancelled++
			r.LastAt, r.LastAfter = now, now.Sub(began)
		})
	case <-timer.C:
		w.change(func(r *WaitsReport) { r.Ended++ })
	}
}

func (w *Waits) change(f func(*WaitsReport)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.WaitsReport)
}

const waitsFormat = "started %d, ended %d, cancelled %d, the last at %d ns after %d ms\n"

// String is the answer of /cancelled. The time since the epoch lets a client on
// the same machine tell how long after it left the handler heard of it; the
// milliseconds are since the handler began.
func (w *Waits) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := int64(0)
	if w.Cancelled > 0 {
		at = w.LastAt.UnixNano()
	}
	return fmt.Sprintf(waitsFormat, w.Started, w.Ended, w.Cancelled, at, w.LastAfter.Milliseconds())
}

// ParseWaits reads what String wrote; LastAfter comes back in whole milliseconds.
func ParseWaits(s string) (WaitsReport, error) {
	var r WaitsReport
	var at, after int64
	if _, err := fmt.Sscanf(s, waitsFormat, &r.Started, &r.Ended, &r.Cancelled, &at, &after); err != nil {
		return WaitsReport{}, fmt.Errorf("count of waiting handlers %q: %w", s, err)
	}
	if at != 0 {
		r.LastAt, r.LastAfter = time.Unix(0, at), time.Duration(after)*time.Millisecond
	}
	return r, nil
}
