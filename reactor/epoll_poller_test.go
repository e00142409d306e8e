package reactor

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A second channel of the same fd takes the first one's place.
func TestPollerLatestChannelOfAnFD(t *testing.T) {
	p := newEpollPoller(t)
	fd := eventFD(t, 1)
	old, young := bareChannel(fd, 0), bareChannel(fd, 0)
	update(t, p, old, EventRead)
	update(t, p, young, EventRead)
	if p.HasChannel(old) || !p.HasChannel(young) {
		t.Error("the first channel is still there")
	}
	if err := p.RemoveChannel(old); err != nil { // of no effect
		t.Error(err)
	}
	if got := pollNow(t, p); len(got) != 1 || got[young] != EventRead {
		t.Errorf("reported %v", got)
	}
}

// TestPromise2StaleGeneration: a duplicate keeps an open file alive, and with it
// the kernel's registration, although the fd was closed and its number has a new
// owner. What the kernel still reports for the old one must reach nobody.
func TestPromise2StaleGeneration(t *testing.T) {
	p := newEpollPoller(t)
	fd, far := socketPair(t)
	keeper, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(keeper)
	old := bareChannel(fd, 0)
	update(t, p, old, EventRead)
	quiet := eventFD(t, 0)
	if err := unix.Dup3(quiet, fd, unix.O_CLOEXEC); err != nil { // closes fd, and takes its number
		t.Fatal(err)
	}
	if err := p.RemoveChannel(old); !errors.Is(err, unix.ENOENT) {
		t.Fatalf("the kernel found the channel under its old number: %v", err)
	}
	mustWrite(t, far, []byte("x"))
	if got := pollNow(t, p); len(got) != 0 {
		t.Errorf("an event of a removed channel was reported as %v", got)
	}
	young := bareChannel(fd, 0)
	update(t, p, young, EventRead)
	if got := pollNow(t, p); len(got) != 0 {
		t.Errorf("an event of an earlier owner of the fd number was reported as %v", got)
	}
	mustWrite(t, fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	if got := pollNow(t, p); len(got) != 1 || got[young] != EventRead {
		t.Errorf("the new owner's own event was reported as %v", got)
	}
}

// The deadline of one wait, which has passed, must not cut the next one short.
func TestEpollPollerForgetsItsDeadline(t *testing.T) {
	p := newEpollPoller(t)
	fd := eventFD(t, 0)
	update(t, p, bareChannel(fd, 0), EventRead)
	if active, err := p.Poll(ms, nil); len(active) != 0 || err != nil {
		t.Fatalf("got %v, %v", active, err)
	}
	// The event comes from the wait itself, when it has found nothing once.
	looked := 0
	p.try = func(epfd uintptr) bool {
		if looked++; looked == 1 {
			eventfdAdd(fd)
		}
		return p.tryWait(epfd)
	}
	if active, err := p.Poll(-1, nil); len(active) != 1 || err != nil {
		t.Errorf("an endless wait returned %d channels, %v", len(active), err)
	}
}

// A wait whose time is over before it has begun has found nothing: not what the one
// before found, which has parked.
func TestEpollPollerWaitThatIsOver(t *testing.T) {
	p := newEpollPoller(t)
	fd := eventFD(t, 1)
	update(t, p, bareChannel(fd, 0), EventRead)
	p.tries = 2 // it has parked
	if active, err := p.Poll(-1, nil); len(active) != 1 || err != nil {
		t.Fatalf("%d channels, %v", len(active), err)
	}
	if eventCount(t, fd) == 0 {
		t.Fatal("there was no event")
	}
	p.tries = 2
	if active, err := p.Poll(1, nil); len(active) != 0 || err != nil {
		t.Errorf("%d channels, %v", len(active), err)
	}
}

// TestEpollPollerBriefWaits: behind a park some waits are brief, then it parks again;
// one that finds nothing, or work that was handed out, keeps them from coming for a
// while.
func TestEpollPollerBriefWaits(t *testing.T) {
	p := newEpollPoller(t)
	fd := eventFD(t, 0)
	update(t, p, bareChannel(fd, 0), EventRead)
	// wait says whether Poll came to trying: a brief wait that finds something does not.
	// Where the event is not there, it comes when a try has found nothing.
	wait := func(there bool) (tried bool) {
		t.Helper()
		if there {
			eventfdAdd(fd)
		}
		p.try = func(epfd uintptr) bool {
			tried = true
			if !there && !p.tryWait(epfd) {
				eventfdAdd(fd)
			}
			return p.tryWait(epfd)
		}
		if active, err := p.Poll(-1, nil); len(active) != 1 || err != nil {
			t.Fatalf("%d channels, %v", len(active), err)
		}
		if eventCount(t, fd) == 0 {
			t.Fatal("there was no event")
		}
		return tried || p.tries > 0
	}
	p.tries = 2 // as behind a wait that has parked
	if !wait(true) {
		t.Fatal("the first wait was brief")
	}
	for i := range mostBrief {
		if wait(true) {
			t.Fatalf("wait %d of %d was not brief", i, mostBrief)
		}
	}
	if !wait(true) {
		t.Error("more brief waits follow each other than may")
	}
	p.brief = briefWaits{left: 1}
	wait(false) // finds nothing, and parks
	if p.brief != (briefWaits{parks: 0, penalty: 1}) {
		t.Errorf("behind one that found nothing: %+v", p.brief)
	}
	p.Yield()
	if p.brief.left != 0 || p.brief.parks != mostBrief {
		t.Errorf("behind work that was handed out: %+v", p.brief)
	}
}

func TestPollerEdgeAndRearm(t *testing.T) {
	p := newEpollPoller(t)
	if !p.EdgeTriggered() || NewPollPoller().EdgeTriggered() {
		t.Fatal("epoll is edge-triggered on request, poll never")
	}
	near, far := socketPair(t)
	ch := bareChannel(near, EventRead)
	ch.edge = true
	update(t, p, ch, EventRead)
	mustWrite(t, far, []byte("x"))
	if got := pollNow(t, p)[ch]; got != EventRead|EventWrite {
		t.Errorf("the edge was reported as %04b", got)
	}
	if got := pollNow(t, p); len(got) != 0 {
		t.Errorf("without a new edge it was reported again: %v", got)
	}
	p.Rearm(ch)
	if got := pollNow(t, p)[ch]; got != EventRead|EventWrite {
		t.Errorf("after Rearm it was reported as %04b", got)
	}
	mustWrite(t, far, []byte("y"))
	if got := pollNow(t, p)[ch]; got&EventRead == 0 {
		t.Errorf("a new edge was reported as %04b", got)
	}
}

// An owner may remove its channel when the loop has ended: the number of the
// closed epoll fd may be another's by then.
func TestPollerAfterClose(t *testing.T) {
	for _, kind := range []PollerKind{PollerEpoll, PollerPoll} {
		p, err := newPoller(kind)
		if err != nil {
			t.Fatal(err)
		}
		ch := bareChannel(eventFD(t, 0), 0)
		update(t, p, ch, EventRead)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		heir, err := NewEpollPoller()
		if err != nil {
			t.Fatal(err)
		}
		update(t, heir, bareChannel(ch.FD(), 0), EventRead)
		if err := p.RemoveChannel(ch); err != nil {
			t.Errorf("%s: removing a channel after Close: %v", kind, err)
		}
		mustWrite(t, ch.FD(), []byte{1, 0, 0, 0, 0, 0, 0, 0})
		if got := pollNow(t, heir); len(got) != 1 {
			t.Errorf("%s: the closed poller took a channel away from the next one", kind)
		}
		if err := heir.Close(); err != nil {
			t.Error(err)
		}
	}
}
