package http

import "time"

// timeouts are the server's, with the defaults filled in; 0 stands for none.
type timeouts struct {
	header, body, idle, write time.Duration
	bodyRate, writeRate       int64 // bytes a second
	tick                      time.Duration
}

const (
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = 30 * time.Second
	defaultIdleTimeout   = 75 * time.Second
	defaultWriteTimeout  = 30 * time.Second
	defaultMinBodyRate   = 240
	defaultMinWriteRate  = 240
)

func (s *Server) timeouts() timeouts {
	def := func(v, d time.Duration) time.Duration {
		if v == 0 {
			return d
		}
		return max(v, 0)
	}
	rate := func(v, d int) int64 {
		if v == 0 {
			return int64(d)
		}
		return int64(max(v, 0))
	}
	t := timeouts{
		header: def(s.HeaderTimeout, defaultHeaderTimeout), body: def(s.BodyTimeout, defaultBodyTimeout),
		idle: def(s.IdleTimeout, defaultIdleTimeout), write: def(s.WriteTimeout, defaultWriteTimeout),
		bodyRate: rate(s.MinBodyRate, defaultMinBodyRate), writeRate: rate(s.MinWriteRate, defaultMinWriteRate),
	}
	// A connection that is neither receiving nor stuck has its deadline at the tick. It is not moved for each request:
	// when it passes, the connection's last activity says what is due.
	t.tick = t.idle
	if t.tick == 0 || t.write > 0 && t.write < t.tick {
		t.tick = t.write
	}
	return t
}

// bodyDeadline is when patience with a body ends: body after its last byte, and never later than its start plus body plus
// the time that the bytes so far take at the least rate, so that a trickle does not hold a connection for ever.
func (t *timeouts) bodyDeadline(now, began time.Duration, counted int64) time.Duration {
	if t.body == 0 {
		return 0
	}
	at := now + t.body
	if t.bodyRate > 0 {
		if seconds := counted / t.bodyRate; seconds < int64(24*time.Hour/time.Second) {
			at = min(at, began+t.body+time.Duration(seconds)*time.Second)
		}
	}
	return at
}

// after is a deadline d from now, none when d is 0.
func after(now, d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return now + d
}
