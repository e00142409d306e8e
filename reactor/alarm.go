package reactor

import "time"

// alarm is a connection's one timer, for its deadline, its idle timeout and its
// linger time. Moving a time later costs a store: the timer fires at the old
// time, finds that nothing is due, and is set anew.
type alarm struct {
	deadline time.Duration // 0: none; on the clock of EventLoop.Now
	idle     time.Duration // 0: none
	asked    time.Duration // when the idle timeout was last reported
	at       time.Duration // when the timer fires; meaningful while id is valid
	id       TimerID
}

// SetDeadline has Callbacks.Timeout called at the given time of EventLoop.Now's
// clock; 0 takes the deadline back. Moving it later costs a store, so it may be
// set for every request. It fires once. Loop goroutine only.
func (c *TcpConnection) SetDeadline(at time.Duration) {
	c.alarm.deadline = at
	c.alarm.arm(c)
}

// SetIdleTimeout has Callbacks.Timeout called when no byte has moved either way (as
// LastActive has it) for d, and again after each further d; 0 switches it off. Loop
// goroutine only.
func (c *TcpConnection) SetIdleTimeout(d time.Duration) {
	c.alarm.idle = d
	c.alarm.arm(c)
}

// next is when something is due, 0 for never.
func (a *alarm) next(c *TcpConnection) time.Duration {
	if c.flags.any(destroying) || c.State() == Disconnected {
		return 0
	}
	at := a.deadline
	if c.flags.any(discarding) {
		at = earlier(at, c.lingerEnd())
	} else if a.idle > 0 {
		at = earlier(at, a.idleEnd(c))
	}
	return at
}

// idleEnd is when the idle timeout is due: that long after the last byte, and after
// it was due before.
func (a *alarm) idleEnd(c *TcpConnection) time.Duration {
	return later(max(c.lastActive, a.asked), a.idle)
}

// lingerEnd is when patience with a peer ends after Shutdown. Behind our FIN there
// is nothing to wait for but the peer's own, so the time is shorter then; what the
// peer still sends does not count as activity.
func (c *TcpConnection) lingerEnd() time.Duration {
	patience := c.shared.linger
	if c.flags.any(finSent) {
		patience = min(patience, maxFinWait)
	}
	return later(c.lastActive, patience)
}

func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

// arm makes the timer fire no later than what is due next.
func (a *alarm) arm(c *TcpConnection) {
	next := a.next(c)
	if next == 0 || (a.id.Valid() && a.at <= next) {
		return
	}
	a.stop(c.Loop())
	a.at = next
	a.id = c.Loop().runAtInLoop(next, c.alarmInLoop)
}

func (a *alarm) stop(l *EventLoop) {
	l.Cancel(a.id)
	a.id = TimerID{}
}

// alarmInLoop is the timer's callback.
func (c *TcpConnection) alarmInLoop() {
	a := &c.alarm
	a.id = TimerID{}
	now := c.Loop().Now()
	due := a.next(c)
	if due == 0 || due > now {
		a.arm(c)
		return
	}
	if c.flags.any(discarding) && c.lingerEnd() <= now {
		c.closeInLoop(ErrLinger)
		return
	}
	if a.deadline != 0 && a.deadline <= now {
		a.deadline = 0
	}
	if a.idle > 0 && a.idleEnd(c) <= now {
		a.asked = now
	}
	if c.cb.Timeout == nil || !c.flags.any(announced) || c.shakingHands() {
		c.closeInLoop(ErrTimeout)
		return
	}
	c.cb.Timeout(c)
	a.arm(c)
}
