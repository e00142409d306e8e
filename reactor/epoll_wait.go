package reactor

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// How EpollPoller waits: first in the kernel and then parked, or parked at once.

const (
	// briefly is how long, in milliseconds, a wait in the kernel may last before the
	// goroutine parks. Longer than a tick, or each would set a timer of the hardware.
	briefly = 5
	// mostBrief is how many brief waits there are between two parks.
	mostBrief = 16
	// mostParks is how many parks there are, at most, between two attempts.
	mostParks = 64
)

// briefWaits says when to wait in the kernel before parking. To park costs three more
// system calls, of the runtime's own poller, and a way through the scheduler: with few
// connections at work that is a fifth of what a request costs. But the scheduler knows
// nothing of a brief wait, and a goroutine whose timer or socket is due may wait for
// the P meanwhile. So it is for a loop whose events follow each other closely and that
// hands nothing out; those that can run now run before it, and after some of them the
// goroutine parks in any case.
type briefWaits struct {
	left    int // before the next park
	parks   int // to come before the next attempt
	penalty int // what parks was set to by the last one that found nothing; 0: none
}

// wait fills events. To park is to try once more, when the runtime has got ready for
// it; where the last wait came to that, it is the first attempt as well.
func (p *EpollPoller) wait(timeout time.Duration) error {
	parked, b := p.tries > 1, &p.brief
	p.tries, p.ready, p.err = 0, 0, nil // a park that is too late does not try
	switch {
	case timeout == 0:
		p.tryWait(0)
		return nil
	case b.left > 0 && timeout < 0:
		b.left--
		runtime.Gosched()
		if p.ready = epollWaitBriefly(p.fd, p.events, briefly); p.ready > 0 {
			b.penalty = 0
			return nil
		}
		b.penalty = min(2*b.penalty+1, mostParks)
		b.left, b.parks = 0, b.penalty
	case !parked && p.tryWait(0):
		return nil
	}
	if b.parks > 0 {
		b.parks--
	} else {
		b.left = mostBrief
	}
	return p.park(timeout)
}

// Yield implements Poller.
func (p *EpollPoller) Yield() { p.brief.left, p.brief.parks = 0, mostBrief }

// tryWait takes what is ready without waiting; false makes the runtime park the
// goroutine until the epoll fd becomes readable.
func (p *EpollPoller) tryWait(uintptr) bool {
	p.tries++
	p.ready, p.err = epollWait(p.fd, p.events)
	return p.ready > 0 || p.err != nil
}

func (p *EpollPoller) park(timeout time.Duration) error {
	if timeout > 0 {
		if err := p.file.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return fmt.Errorf("reactor: epoll: %w", err)
		}
		defer p.file.SetReadDeadline(time.Time{})
	}
	err := p.conn.Read(p.try)
	if err != nil && !os.IsTimeout(err) {
		return fmt.Errorf("reactor: epoll: %w", err)
	}
	return nil
}
