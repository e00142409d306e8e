package reactor_test

import (
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// timed serves one client whose connection set prepares; the times of Timeout come
// out, on the loop's clock, the time of set being 0.
func timed(t *testing.T, set func(c *reactor.TcpConnection)) (c *reactor.TcpConnection, timeouts <-chan time.Duration) {
	t.Helper()
	life := newEnds()
	fired := make(chan time.Duration, 100)
	var began time.Duration
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			life.connection(c)
			if c.Connected() {
				began = c.Loop().Now()
				set(c)
			}
		},
		Message: echo,
		Timeout: func(c *reactor.TcpConnection) { fired <- c.Loop().Now() - began },
	})
	dial(t, server.Addr())
	return receive(t, life.up, "the connection"), fired
}

func TestSetDeadline(t *testing.T) {
	const short, long = 20 * time.Millisecond, 80 * time.Millisecond
	cases := []struct {
		name  string
		set   func(c *reactor.TcpConnection, now time.Duration)
		least time.Duration
	}{
		{"once", func(c *reactor.TcpConnection, now time.Duration) { c.SetDeadline(now + short) }, short},
		{"in the past", func(c *reactor.TcpConnection, now time.Duration) { c.SetDeadline(now - time.Hour) }, 0},
		{"now", func(c *reactor.TcpConnection, now time.Duration) { c.SetDeadline(now) }, 0},
		{"moved later", func(c *reactor.TcpConnection, now time.Duration) {
			c.SetDeadline(now + short)
			c.SetDeadline(now + long)
		}, long},
		{"moved earlier", func(c *reactor.TcpConnection, now time.Duration) {
			c.SetDeadline(now + time.Hour)
			c.SetDeadline(now + short)
		}, short},
		{"taken back and set again", func(c *reactor.TcpConnection, now time.Duration) {
			c.SetDeadline(now + short)
			c.SetDeadline(0)
			c.SetDeadline(now + long)
		}, long},
		{"before a longer idle timeout", func(c *reactor.TcpConnection, now time.Duration) {
			c.SetIdleTimeout(time.Hour)
			c.SetDeadline(now + short)
		}, short},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, timeouts := timed(t, func(c *reactor.TcpConnection) { tc.set(c, c.Loop().Now()) })
			if at := receive(t, timeouts, "Timeout"); at < tc.least {
				t.Errorf("Timeout after %v, want %v", at, tc.least)
			}
			// A deadline fires once: a timer that is due later finds no more.
			later := make(chan struct{})
			c.Loop().RunAfter(2*short, func() { close(later) })
			receive(t, later, "the timer")
			if len(timeouts) != 0 || !c.Connected() {
				t.Errorf("%d more timeouts, state %v", len(timeouts), c.State())
			}
		})
	}
}

func TestSetDeadlineTakenBack(t *testing.T) {
	later := make(chan struct{})
	c, timeouts := timed(t, func(c *reactor.TcpConnection) {
		c.SetDeadline(c.Loop().Now() + 10*time.Millisecond)
		c.SetIdleTimeout(10 * time.Millisecond)
		c.SetDeadline(0)
		c.SetIdleTimeout(0)
		c.Loop().RunAfter(30*time.Millisecond, func() { close(later) })
	})
	receive(t, later, "a timer behind the deadline")
	turn(t, c.Loop())
	if len(timeouts) != 0 {
		t.Error("a deadline that was taken back fired")
	}
}

// TestSetIdleTimeout: bytes either way put it off, and it comes again after each
// further stretch of silence.
func TestSetIdleTimeout(t *testing.T) {
	const idle = 60 * time.Millisecond
	life := newEnds()
	type timeout struct{ at, lastByte time.Duration }
	fired := make(chan timeout, 100)
	var lastByte time.Duration // loop goroutine only
	server := serve(t, onTCP4, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				lastByte = c.Loop().Now()
				c.SetIdleTimeout(idle)
			}
			life.connection(c)
		},
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			lastByte = c.Loop().Now()
			if c.LastActive() != lastByte {
				t.Errorf("last active at %v, a byte came at %v", c.LastActive(), lastByte)
			}
			echo(c, in)
		},
		Timeout: func(c *reactor.TcpConnection) {
			fired <- timeout{c.Loop().Now(), lastByte}
		},
	})
	client := dial(t, server.Addr())
	ticker := time.NewTicker(idle / 6)
	defer ticker.Stop()
	for range 18 { // three times the idle time
		<-ticker.C
		write(t, client, "x")
		expect(t, client, "x")
	}
	first := receive(t, fired, "Timeout")
	if silence := first.at - first.lastByte; silence < idle {
		t.Errorf("Timeout after %v of silence, want %v", silence, idle)
	}
	previous := receive(t, fired, "the first Timeout of this silence")
	for range 2 {
		next := receive(t, fired, "a further Timeout")
		if next.at-previous.at < idle {
			t.Errorf("a further Timeout after %v, want %v", next.at-previous.at, idle)
		}
		previous = next
	}
}

// TestSetIdleTimeoutCountsOutput: a peer that only reads is not idle.
func TestSetIdleTimeoutCountsOutput(t *testing.T) {
	const idle = 60 * time.Millisecond
	c, timeouts := timed(t, func(c *reactor.TcpConnection) { c.SetIdleTimeout(idle) })
	ticker := time.NewTicker(idle / 6)
	defer ticker.Stop()
	for range 12 {
		<-ticker.C
		must(t, c.SendString("x"))
	}
	inLoop(t, c.Loop(), func() {})
	var active time.Duration
	inLoop(t, c.Loop(), func() { active = c.Loop().Now() - c.LastActive() })
	if active > idle && len(timeouts) == 0 {
		t.Errorf("the last byte moved %v ago", active)
	}
	receive(t, timeouts, "Timeout once nothing is sent any more")
}

func TestTimeoutWithoutCallback(t *testing.T) {
	for name, set := range map[string]func(c *reactor.TcpConnection){
		"deadline": func(c *reactor.TcpConnection) { c.SetDeadline(c.Loop().Now() + time.Millisecond) },
		"idle":     func(c *reactor.TcpConnection) { c.SetIdleTimeout(time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			life := newEnds()
			server := serve(t, onUnix, &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
				if c.Connected() {
					set(c)
				}
				life.connection(c)
			}})
			client := dial(t, server.Addr())
			wantError(t, receive(t, life.down, "the end"), reactor.ErrTimeout)
			expectClosed(t, client)
		})
	}
}

// TestTimeoutOfLostConnection: the timer of a connection that is gone does nothing.
func TestTimeoutOfLostConnection(t *testing.T) {
	later := make(chan struct{})
	_, timeouts := timed(t, func(c *reactor.TcpConnection) {
		c.SetDeadline(c.Loop().Now() + 10*time.Millisecond)
		c.SetIdleTimeout(10 * time.Millisecond)
		c.ForceClose()
		c.Loop().RunAfter(30*time.Millisecond, func() { close(later) })
	})
	receive(t, later, "a timer behind the deadline")
	if len(timeouts) != 0 {
		t.Error("Timeout on a connection that is gone")
	}
}
