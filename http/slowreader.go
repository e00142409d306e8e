package http

import "time"

// slowReader is how far a client that had output pending had come at a time.
type slowReader struct {
	since time.Duration
	acked uint64
}

// tooSlow says whether the client of c, which has output pending, takes less than the least rate.
func (w *worker) tooSlow(c *conn, now time.Duration) bool {
	rate := w.times.writeRate
	if rate == 0 {
		return false
	}
	acked, err := c.tcp.Socket().Acknowledged()
	if err != nil {
		return false // a Unix socket counts nothing
	}
	was, known := w.slow[c]
	if w.slow == nil {
		w.slow = make(map[*conn]slowReader)
	}
	w.slow[c] = slowReader{now, acked}
	// A look that comes early says little.
	if !known || now-was.since < w.times.tick/2 {
		if known {
			w.slow[c] = was
		}
		return false
	}
	return float64(acked-was.acked) < float64(rate)*(now-was.since).Seconds()
}

// forgetSlow is called when c has no output pending any more.
func (w *worker) forgetSlow(c *conn) {
	if len(w.slow) > 0 {
		delete(w.slow, c)
	}
}
