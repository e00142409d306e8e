package ws

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// counters is Stats as plain numbers.
type counters struct{ opened, closed, dead, failed, panics, slow, newest, oldest, refused int64 }

func (s *Stats) counters() counters {
	return counters{s.Opened.Load(), s.Closed.Load(), s.Dead.Load(), s.Failed.Load(), s.Panics.Load(),
		s.Slow.Load(), s.Newest.Load(), s.Oldest.Load(), s.Refused.Load()}
}

// TestStats ends connections in each way, and looks at what was counted.
func TestStats(t *testing.T) {
	log, _ := newLog()
	for name, test := range map[string]struct {
		opts []EndpointOption
		peer func(*client)
		want counters
	}{
		"closed by the peer": {nil, func(c *client) { c.write(closing1(1000, "")) }, counters{opened: 1, closed: 1}},
		"closed by us":       {nil, func(c *client) { c.write(text("close")); c.want(ws.OpClose, "\x03\xe8"); c.write(closing1(1000, "")) }, counters{opened: 1, closed: 1}},
		"lost":               {nil, func(c *client) { c.Close() }, counters{opened: 1, closed: 1}},
		"protocol broken":    {nil, func(c *client) { c.write(text("\xff")) }, counters{opened: 1, closed: 1, failed: 1}},
		"limit passed":       {[]EndpointOption{WithMaxMessage(1)}, func(c *client) { c.write(text("ab")) }, counters{opened: 1, closed: 1, failed: 1}},
		"bad close":          {nil, func(c *client) { c.write(closing1(1005, "")) }, counters{opened: 1, closed: 1, failed: 1}},
		"handler panicked":   {nil, func(c *client) { c.write(text("panic")) }, counters{opened: 1, closed: 1, panics: 1}},
		"dead":               {[]EndpointOption{WithKeepalive(10*time.Millisecond, 10*time.Millisecond)}, func(*client) {}, counters{opened: 1, closed: 1, dead: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			stats, rec := new(Stats), newRecorder()
			rec.onMessage = func(c *Conn, _ Op, p []byte) {
				switch string(p) {
				case "panic":
					panic("on demand")
				case "close":
					c.Close(CodeNormalClosure, "")
				}
			}
			c := dial(t, start(t, rec, append(test.opts, WithStats(stats), WithLogger(log))...))
			// One that is going to be dead may be so by now, on a machine that is busy.
			if got := stats.counters(); got != (counters{opened: 1}) && test.want.dead == 0 {
				t.Errorf("open: %+v", got)
			}
			test.peer(c)
			wait(t, "OnClose", rec.closed)
			if got := stats.counters(); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// TestStatsShared: several Endpoints may count in one place; without WithStats each
// counts for itself.
func TestStatsShared(t *testing.T) {
	stats := new(Stats)
	for range 2 {
		rec := newRecorder()
		served(t, start(t, rec, WithStats(stats)))
		wait(t, "OnClose", rec.closed)
	}
	rec := newRecorder()
	served(t, start(t, rec))
	wait(t, "OnClose", rec.closed)
	if got := stats.counters(); got != (counters{opened: 2, closed: 2}) {
		t.Errorf("%+v", got)
	}
}
