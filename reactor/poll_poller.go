package reactor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// PollPoller is a Poller over poll(2): level-triggered, linear in the number of
// fds for each wait, but with O(1) updates and, by swapping with the last, O(1)
// removal. It is there to check EpollPoller against, and for kernels or sandboxes
// without epoll.
type PollPoller struct {
	fds      []unix.PollFd
	channels []*Channel // channels[i] owns fds[i]; Channel.slot is i
}

// NewPollPoller returns a poller that watches nothing yet. It holds nothing in
// the kernel.
func NewPollPoller() *PollPoller { return &PollPoller{} }

// Poll implements Poller. The wait blocks its thread, so it is an ordinary
// system call, which lets the scheduler use the processor meanwhile.
func (p *PollPoller) Poll(timeout time.Duration, active []*Channel) ([]*Channel, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.Poll(p.fds, ms)
	if err == unix.EINTR || err == unix.EAGAIN {
		return active, nil
	}
	if err != nil {
		return active, os.NewSyscallError("poll", err)
	}
	for i := range p.fds {
		if n == 0 {
			break
		}
		if p.fds[i].Revents == 0 {
			continue
		}
		n--
		p.channels[i].returned = fromPoll(p.fds[i].Revents)
		if p.fds[i].Events == 0 {
			p.mute(i)
		}
		active = append(active, p.channels[i])
	}
	return active, nil
}

// UpdateChannel implements Poller.
func (p *PollPoller) UpdateChannel(ch *Channel) error {
	if !p.HasChannel(ch) {
		ch.slot = int32(len(p.fds))
		p.fds = append(p.fds, unix.PollFd{})
		p.channels = append(p.channels, ch)
	}
	fd := &p.fds[ch.slot]
	fd.Fd, fd.Events, fd.Revents = ch.fd, 0, 0
	if ch.Reading() {
		fd.Events |= unix.POLLIN | unix.POLLRDHUP
	}
	if ch.Writing() {
		fd.Events |= unix.POLLOUT
	}
	return nil
}

// mute skips an fd until its next update. poll(2) reports errors and hang-ups even
// of an fd on which nothing is awaited, which is right once, and would be a spin
// after that.
func (p *PollPoller) mute(i int) { p.fds[i].Fd = -p.channels[i].fd - 1 }

// RemoveChannel implements Poller.
func (p *PollPoller) RemoveChannel(ch *Channel) error {
	if !p.HasChannel(ch) {
		return nil
	}
	last := len(p.fds) - 1
	if int(ch.slot) != last {
		p.fds[ch.slot] = p.fds[last]
		p.channels[ch.slot] = p.channels[last]
		p.channels[ch.slot].slot = ch.slot
	}
	p.fds = p.fds[:last]
	p.channels[last] = nil
	p.channels = p.channels[:last]
	return nil
}

// ForgetChannel implements Poller.
func (p *PollPoller) ForgetChannel(ch *Channel) { _ = p.RemoveChannel(ch) } // it fails never

// HasChannel implements Poller.
func (p *PollPoller) HasChannel(ch *Channel) bool {
	return int(ch.slot) < len(p.channels) && p.channels[ch.slot] == ch
}

// EdgeTriggered implements Poller.
func (p *PollPoller) EdgeTriggered() bool { return false }

// Rearm implements Poller: poll(2) looks at every fd each time anyway.
func (p *PollPoller) Rearm(*Channel) {}

// Yield implements Poller. Each wait gives the P away as it is.
func (p *PollPoller) Yield() {}

// Close implements Poller.
func (p *PollPoller) Close() error { return nil }

func fromPoll(bits int16) Event {
	var ev Event
	if bits&unix.POLLIN != 0 {
		ev |= EventRead
	}
	if bits&unix.POLLOUT != 0 {
		ev |= EventWrite
	}
	if bits&(unix.POLLHUP|unix.POLLRDHUP) != 0 {
		ev |= EventHangup
	}
	if bits&(unix.POLLERR|unix.POLLNVAL) != 0 {
		ev |= EventError
	}
	return ev
}
