package reactor

import (
	"fmt"
	"os"
	"time"
)

// Poller waits until fds are ready. It fills a list of channels and dispatches
// nothing itself. Each EventLoop owns one; all methods must be called on the
// loop's goroutine, but for Close, which follows the loop's end.
type Poller interface {
	// Poll appends the channels that are ready to active and returns it. It
	// waits up to timeout: not at all for 0, without end for a negative one.
	// A wait that was interrupted returns active as it was.
	Poll(timeout time.Duration, active []*Channel) ([]*Channel, error)
	// UpdateChannel makes the poller watch what ch is interested in; it adds ch
	// when it does not know it.
	UpdateChannel(ch *Channel) error
	// RemoveChannel forgets ch. An event of ch that was already returned by the
	// kernel is dropped.
	RemoveChannel(ch *Channel) error
	// ForgetChannel does the same for a channel whose fd is closed before the
	// next Poll, so that the kernel need not be told.
	ForgetChannel(ch *Channel)
	// HasChannel reports whether ch is known.
	HasChannel(ch *Channel) bool
	// EdgeTriggered reports whether the poller honours edge-triggered channels.
	EdgeTriggered() bool
	// Rearm makes the poller report ch again if it is ready at this moment,
	// also when that edge was reported before. It does nothing where events are
	// level-triggered.
	Rearm(ch *Channel)
	// Yield tells it that other goroutines have work of the loop's, so that it must
	// not keep them from running while it waits.
	Yield()
	// Close frees what the poller holds in the kernel.
	Close() error
}

// PollerKind names a Poller.
type PollerKind string

const (
	// PollerEpoll is epoll(7), the default.
	PollerEpoll PollerKind = "epoll"
	// PollerPoll is poll(2).
	PollerPoll PollerKind = "poll"
)

// PollerEnv is the environment variable that chooses the poller of loops that
// do not say WithPoller: "epoll" or "poll".
const PollerEnv = "CARILLON_POLLER"

func newPoller(kind PollerKind) (Poller, error) {
	if kind == "" {
		kind = PollerKind(os.Getenv(PollerEnv))
	}
	switch kind {
	case PollerEpoll, "":
		return NewEpollPoller()
	case PollerPoll:
		return NewPollPoller(), nil
	default:
		return nil, fmt.Errorf("reactor: unknown poller %q: want %q or %q", kind, PollerEpoll, PollerPoll)
	}
}
