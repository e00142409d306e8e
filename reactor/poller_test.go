package reactor

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// eachPoller runs a test directly on a poller of each kind, without a loop.
func eachPoller(t *testing.T, test func(t *testing.T, p Poller)) {
	for _, kind := range []PollerKind{PollerEpoll, PollerPoll} {
		t.Run(string(kind), func(t *testing.T) {
			p, err := newPoller(kind)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}()
			test(t, p)
		})
	}
}

// bareChannel is a channel without a loop, for driving a poller directly.
func bareChannel(fd int, interest Event) *Channel {
	return &Channel{fd: int32(fd), interest: interest}
}

func update(t testing.TB, p Poller, ch *Channel, interest Event) {
	t.Helper()
	ch.interest = interest
	if err := p.UpdateChannel(ch); err != nil {
		t.Fatal(err)
	}
}

// pollNow returns what is ready, with what.
func pollNow(t testing.TB, p Poller) map[*Channel]Event {
	t.Helper()
	active, err := p.Poll(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[*Channel]Event)
	for _, ch := range active {
		if _, twice := got[ch]; twice {
			t.Errorf("fd %d was reported twice", ch.FD())
		}
		got[ch], ch.returned = ch.returned, 0
	}
	return got
}

func TestPollerAddModifyRemove(t *testing.T) {
	eachPoller(t, func(t *testing.T, p Poller) {
		near, far := socketPair(t)
		ch := bareChannel(near, 0)
		expect := func(step string, want Event) {
			t.Helper()
			if got := pollNow(t, p)[ch]; got != want {
				t.Errorf("%s: reported %04b, want %04b", step, got, want)
			}
		}
		if p.HasChannel(ch) {
			t.Error("known before it was added")
		}
		update(t, p, ch, EventRead)
		if !p.HasChannel(ch) {
			t.Error("unknown after it was added")
		}
		expect("nothing to read", 0)
		mustWrite(t, far, []byte("x"))
		expect("a byte to read", EventRead)
		expect("level-triggered: still", EventRead)
		update(t, p, ch, EventRead|EventWrite)
		expect("room to write", EventRead|EventWrite)
		update(t, p, ch, EventWrite)
		expect("reading disabled", EventWrite)
		update(t, p, ch, 0)
		expect("all disabled", 0)
		update(t, p, ch, EventRead)
		expect("enabled again", EventRead)
		unix.Shutdown(far, unix.SHUT_RDWR)
		expect("hung up", EventRead|EventHangup)
		for range 2 { // the second time there is nothing to do
			if err := p.RemoveChannel(ch); err != nil {
				t.Error(err)
			}
		}
		if p.HasChannel(ch) {
			t.Error("known after it was removed")
		}
		expect("removed", 0)
		update(t, p, ch, EventRead)
		expect("added again", EventRead|EventHangup)
	})
}

func TestPollerReportsErrors(t *testing.T) {
	eachPoller(t, func(t *testing.T, p Poller) {
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pipe[1])
		unix.Close(pipe[0])
		ch := bareChannel(pipe[1], 0)
		update(t, p, ch, EventWrite)
		if got := pollNow(t, p)[ch]; got != EventError|EventWrite {
			t.Errorf("a pipe without reader is reported as %04b", got)
		}
	})
}

func TestPollerMoreReadyThanItsArray(t *testing.T) {
	eachPoller(t, func(t *testing.T, p Poller) {
		const n = 5 * initialEvents
		waiting := make(map[*Channel]bool)
		for range n {
			ch := bareChannel(eventFD(t, 1), 0)
			update(t, p, ch, EventRead)
			waiting[ch] = true
		}
		polls := 0
		for ; len(waiting) > 0 && polls < n; polls++ {
			for ch := range pollNow(t, p) {
				eventCount(t, ch.FD())
				delete(waiting, ch)
			}
		}
		if len(waiting) > 0 {
			t.Fatalf("%d of %d ready channels were never reported", len(waiting), n)
		}
		if polls > 3 { // 64, then 128, then the remaining 128
			t.Errorf("it took %d polls: the array does not grow", polls)
		}
		if got := pollNow(t, p); len(got) != 0 {
			t.Errorf("%d channels are ready after all were read", len(got))
		}
	})
}

// TestPollerRandomUpdates adds, changes and removes many channels at random and
// compares with what should be reported: PollPoller's swapping with the last must
// not mix them up.
func TestPollerRandomUpdates(t *testing.T) {
	eachPoller(t, func(t *testing.T, p Poller) {
		rnd := rand.New(rand.NewPCG(1, 2))
		channels := make([]*Channel, 40)
		for i := range channels {
			channels[i] = bareChannel(eventFD(t, uint(i%2)), 0) // every other one is readable
		}
		want := make(map[*Channel]Event)
		known := make(map[*Channel]bool)
		for step := range 2000 {
			i := rnd.IntN(len(channels))
			ch := channels[i]
			switch rnd.IntN(3) {
			case 0:
				if err := p.RemoveChannel(ch); err != nil {
					t.Fatal(err)
				}
				delete(want, ch)
				delete(known, ch)
			default:
				interest := Event(rnd.IntN(4))
				update(t, p, ch, interest)
				known[ch] = true
				ready := EventWrite
				if i%2 == 1 {
					ready |= EventRead
				}
				if want[ch] = interest & ready; want[ch] == 0 {
					delete(want, ch)
				}
			}
			for _, ch := range channels {
				if p.HasChannel(ch) != known[ch] {
					t.Fatalf("step %d: HasChannel is %v", step, !known[ch])
				}
			}
			got := pollNow(t, p)
			if len(got) != len(want) {
				t.Fatalf("step %d: %d channels reported, want %d", step, len(got), len(want))
			}
			for ch, events := range want {
				if got[ch] != events {
					t.Fatalf("step %d: fd %d reported as %04b, want %04b", step, ch.FD(), got[ch], events)
				}
			}
		}
	})
}

// Removing is O(1) and keeps the arrays dense.
func TestPollPollerSwapsWithTheLast(t *testing.T) {
	p := NewPollPoller()
	var channels []*Channel
	for range 5 {
		ch := bareChannel(eventFD(t, 1), 0)
		update(t, p, ch, EventRead)
		channels = append(channels, ch)
	}
	if err := p.RemoveChannel(channels[1]); err != nil {
		t.Fatal(err)
	}
	want := []*Channel{channels[0], channels[4], channels[2], channels[3]}
	if !slices.Equal(p.channels, want) || channels[4].slot != 1 || len(p.fds) != 4 {
		t.Errorf("%d fds; the last is in slot %d", len(p.fds), channels[4].slot)
	}
}

func TestPollerTimeout(t *testing.T) {
	eachPoller(t, func(t *testing.T, p Poller) {
		fd := eventFD(t, 0)
		update(t, p, bareChannel(fd, 0), EventRead)
		if got := pollNow(t, p); len(got) != 0 {
			t.Fatalf("reported %v", got)
		}
		for _, timeout := range []time.Duration{500 * time.Microsecond, 20 * ms} {
			full := 0
			for range 10 { // poll(2) may be interrupted by a signal, but hardly each time
				begin := time.Now()
				active, err := p.Poll(timeout, nil)
				if len(active) != 0 || err != nil {
					t.Fatalf("got %d channels, %v", len(active), err)
				}
				if time.Since(begin) >= timeout {
					full++
				}
			}
			if full == 0 || full < 10 && p.EdgeTriggered() {
				t.Errorf("%d of 10 waits of %v were as long as that", full, timeout)
			}
		}
		for _, timeout := range []time.Duration{-1, time.Hour, -1} {
			got, empty := make(chan int, 1), 0
			go func() {
				active, err := []*Channel(nil), error(nil)
				for len(active) == 0 && err == nil {
					if active, err = p.Poll(timeout, nil); len(active) == 0 {
						empty++
					}
				}
				got <- len(active)
			}()
			mustWrite(t, fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
			if n := await(t, got); n != 1 {
				t.Errorf("timeout %v: %d channels", timeout, n)
			}
			if empty > 0 && p.EdgeTriggered() {
				t.Errorf("timeout %v: it gave up %d times", timeout, empty)
			}
			eventCount(t, fd)
		}
	})
}

// Poll appends: what it is given stays in front.
func TestPollerAppendsToActive(t *testing.T) {
	eachPoller(t, func(t *testing.T, p Poller) {
		ready, other := bareChannel(eventFD(t, 1), 0), bareChannel(eventFD(t, 0), 0)
		update(t, p, ready, EventRead)
		got, err := p.Poll(0, []*Channel{other})
		if err != nil || !slices.Equal(got, []*Channel{other, ready}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestPollerRefusals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "regular"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := newEpollPoller(t)
	for fd, want := range map[int]error{1 << 20: unix.EBADF, int(file.Fd()): unix.EPERM} {
		ch := bareChannel(fd, EventRead)
		if err := p.UpdateChannel(ch); !errors.Is(err, want) {
			t.Errorf("fd %d: got %v, want %v", fd, err, want)
		}
		if p.HasChannel(ch) {
			t.Errorf("fd %d is known although the kernel refused it", fd)
		}
	}
	// poll(2) says so when it waits.
	bad := bareChannel(1<<20, 0)
	poll := NewPollPoller()
	update(t, poll, bad, EventRead)
	if got := pollNow(t, poll)[bad]; got != EventError {
		t.Errorf("poll reports a bad fd as %04b", got)
	}
}

func TestPollerChoice(t *testing.T) {
	for _, c := range []struct {
		env  string
		opts []LoopOption
		want string
	}{
		{"", nil, "epoll"},
		{"epoll", nil, "epoll"},
		{"poll", nil, "poll"},
		{"poll", []LoopOption{WithPoller(PollerEpoll)}, "epoll"},
		{"epoll", []LoopOption{WithPoller(PollerPoll)}, "poll"},
		{"kqueue", nil, ""},
		{"epoll", []LoopOption{WithPoller("select")}, ""},
	} {
		t.Setenv(PollerEnv, c.env)
		before := loopFDs(t)
		loop, err := NewEventLoop(c.opts...)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "unknown poller") {
				t.Errorf("%+v: got %v, want an error that names the unknown poller", c, err)
			}
			if now := loopFDs(t); now != before {
				t.Errorf("%+v: %d fds were left by the loop that failed", c, now-before)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, isEpoll := loop.poller.(*EpollPoller); isEpoll != (c.want == "epoll") {
			t.Errorf("%+v: got a %T", c, loop.poller)
		}
		loop.Quit()
		if err := loop.Loop(); err != nil {
			t.Error(err)
		}
	}
}
