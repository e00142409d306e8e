package gen

import (
	"time"
)

// pace is the schedule of Open.
type pace struct {
	began    time.Duration
	interval float64   // nanoseconds
	next     int64     // number of the request that is due next
	free     []*client // a ring of those that wait for nothing
	first    int       // index of the one that waits longest
	waiting  int       // how many do
	tick     func()
}

func (r *run) startPace() {
	r.interval = 1e9 / r.job.Rate
	r.free = append(r.free, r.clients[:r.job.Connections]...)
	r.waiting = len(r.free)
	r.began = r.clock()
	r.answered = func(c *client, n int, now time.Duration) {
		r.countDue(n, c.since, now)
		r.free[(r.first+r.waiting)%len(r.free)] = c
		r.waiting++
		r.dispatch(now)
		r.checkSettled()
	}
	// The loop does not sleep until the next request is due: waking up late would
	// count as the server's.
	r.tick = func() {
		r.dispatch(r.clock())
		if !r.stopping {
			r.queue(r.tick)
		}
	}
	r.tick()
}

// dispatch sends what is due, as far as connections are free: at the end, what was due
// in the window.
func (r *run) dispatch(now time.Duration) {
	if r.stopping {
		now = min(now, r.end.at)
	}
	for r.waiting > 0 {
		due := r.began + time.Duration(float64(r.next)*r.interval)
		if due > now {
			return
		}
		c := r.free[r.first]
		r.first = (r.first + 1) % len(r.free)
		r.waiting--
		r.next++
		r.ask(c, due)
	}
}

func (r *run) queue(f func()) {
	if err := r.loop.QueueInLoop(f); err != nil {
		r.fail(err)
	}
}

// startChurn has so many connections come and go at the same time.
func (r *run) startChurn() {
	r.answered = func(c *client, n int, now time.Duration) {
		r.count(n, now-c.since)
		if c.due == 0 {
			c.closing = true
			c.conn.Shutdown()
		}
		r.checkSettled()
	}
	for range r.job.Connections {
		c := r.newClient()
		r.clients = append(r.clients, c)
		r.connect(c)
	}
}

func (r *run) connect(c *client) {
	c.since = r.clock()
	if err := c.tcp.Connect(); err != nil {
		r.fail(err)
	}
}

// churned is the end of a connection that had its answer. Whatever the server did
// with the rest is its own affair, but not to leave it open.
func (r *run) churned(c *client) {
	c.closing = false
	if !r.stopping {
		r.connect(c)
	}
}

// broadcast is the state of Broadcast. Its window begins and ends with a message.
type broadcast struct {
	sent   uint64
	sentAt time.Duration
	since  time.Duration // when the load began, and then when the window did
}

func (r *run) startBroadcast() {
	r.since = r.clock()
	r.answered = func(_ *client, _ int, now time.Duration) {
		if r.outstanding == 0 {
			r.everybodyHasIt(now)
		}
	}
	r.send()
}

func (r *run) send() {
	r.sent++
	socket := r.speaker.(*socket)
	socket.number(r.sent)
	r.sentAt = r.clock()
	r.ask(r.clients[0], r.sentAt)
	for _, c := range r.clients[1:] {
		c.due++
	}
	r.outstanding += len(r.clients) - 1
}

func (r *run) everybodyHasIt(now time.Duration) {
	r.count(1, now-r.sentAt)
	switch {
	case !r.recording && now-r.since >= r.job.WarmUp:
		r.since = now
		r.openWindow()
	case r.recording && now-r.since >= r.job.Time:
		r.closeWindow()
		r.stop()
		return
	}
	r.send()
}
