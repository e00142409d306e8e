package reactor

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// EpollPoller is a Poller over epoll(7).
//
// What the kernel keeps for a channel is its fd, which is its slot here, and the
// slot's generation, never a Go pointer: an event that outlived its channel, or
// that belongs to an earlier owner of the same fd number, finds another
// generation and is dropped.
//
// The wait is nested: the epoll fd itself is registered with the Go runtime's
// poller. While events keep coming Poll costs one raw epoll_wait that does not
// block; when there are none for longer the goroutine parks like any other that waits
// for I/O, so an idle loop holds no thread. In between there are brief waits in the
// kernel: see briefWaits.
type EpollPoller struct {
	file   *os.File // owns the epoll fd
	conn   syscall.RawConn
	fd     int
	slots  []epollSlot // by fd
	events []unix.EpollEvent
	ready  int
	err    error
	try    func(fd uintptr) bool // built once: a closure for each wait would allocate
	tries  int                   // of the last wait: with more than one it came to parking
	brief  briefWaits
}

type epollSlot struct {
	channel    *Channel
	generation uint32
}

const (
	initialEvents = 64
	maxEvents     = 1024

	edgeEvents = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
)

// NewEpollPoller creates the epoll instance. Errors: those of epoll_create1(2).
func NewEpollPoller() (*EpollPoller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		closeFD(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &EpollPoller{
		file:   os.NewFile(uintptr(fd), "epoll"),
		fd:     fd,
		events: make([]unix.EpollEvent, initialEvents),
	}
	p.try = p.tryWait
	if p.conn, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("reactor: epoll: %w", err)
	}
	return p, nil
}

// Poll implements Poller.
func (p *EpollPoller) Poll(timeout time.Duration, active []*Channel) ([]*Channel, error) {
	if err := p.wait(timeout); err != nil {
		return active, err
	}
	if p.err != nil {
		return active, os.NewSyscallError("epoll_wait", p.err)
	}
	for i := range p.events[:p.ready] {
		ev := &p.events[i]
		slot := &p.slots[ev.Fd]
		if slot.channel == nil || slot.generation != uint32(ev.Pad) {
			continue
		}
		slot.channel.returned = fromEpoll(ev.Events)
		active = append(active, slot.channel)
	}
	if p.ready == len(p.events) && p.ready < maxEvents {
		p.events = make([]unix.EpollEvent, 2*len(p.events))
	}
	return active, nil
}

// UpdateChannel implements Poller.
func (p *EpollPoller) UpdateChannel(ch *Channel) error {
	fd := int(ch.fd)
	if fd >= len(p.slots) {
		p.slots = append(p.slots, make([]epollSlot, max(fd+1, 2*len(p.slots))-len(p.slots))...)
	}
	slot := &p.slots[fd]
	op := unix.EPOLL_CTL_MOD
	if slot.channel != ch {
		op = unix.EPOLL_CTL_ADD
		slot.channel = ch
		slot.generation++
	}
	ev := p.event(ch)
	err := epollCtl(p.fd, op, fd, &ev)
	if err == unix.EEXIST {
		err = epollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &ev)
	}
	if err != nil {
		if op == unix.EPOLL_CTL_ADD {
			slot.channel = nil
		}
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

func (p *EpollPoller) event(ch *Channel) unix.EpollEvent {
	ev := unix.EpollEvent{Fd: ch.fd, Pad: int32(p.slots[ch.fd].generation)}
	if ch.edge {
		ev.Events = edgeEvents
		return ev
	}
	if ch.Reading() {
		ev.Events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if ch.Writing() {
		ev.Events |= unix.EPOLLOUT
	}
	if ev.Events == 0 {
		// EPOLLHUP and EPOLLERR cannot be switched off: reported again and
		// again to nobody who is interested, they would make the loop spin.
		ev.Events = unix.EPOLLET
	}
	return ev
}

// RemoveChannel implements Poller.
func (p *EpollPoller) RemoveChannel(ch *Channel) error {
	if !p.HasChannel(ch) {
		return nil
	}
	p.ForgetChannel(ch)
	return os.NewSyscallError("epoll_ctl", epollCtl(p.fd, unix.EPOLL_CTL_DEL, int(ch.fd), nil))
}

// ForgetChannel implements Poller. Closing an fd takes it out of the epoll instance,
// unless the open file description lives on in another process (epoll(7), Questions
// and answers); then its events come with a generation that is over, and are dropped.
func (p *EpollPoller) ForgetChannel(ch *Channel) {
	if p.HasChannel(ch) {
		p.slots[ch.fd] = epollSlot{generation: p.slots[ch.fd].generation + 1}
	}
}

// HasChannel implements Poller.
func (p *EpollPoller) HasChannel(ch *Channel) bool {
	return ch.fd >= 0 && int(ch.fd) < len(p.slots) && p.slots[ch.fd].channel == ch
}

// EdgeTriggered implements Poller.
func (p *EpollPoller) EdgeTriggered() bool { return true }

// Rearm implements Poller: EPOLL_CTL_MOD, even with the same events, makes the
// kernel look whether the fd is ready now.
func (p *EpollPoller) Rearm(ch *Channel) {
	ev := p.event(ch)
	// The fd is known to the epoll instance; with that, MOD can only fail for
	// want of memory, and then the next edge comes all the same.
	_ = epollCtl(p.fd, unix.EPOLL_CTL_MOD, int(ch.fd), &ev)
}

// Close implements Poller. Channels are forgotten, and so is the fd, whose number
// may soon be another loop's: a channel that is removed later is just not there.
func (p *EpollPoller) Close() error {
	p.fd, p.slots = -1, nil
	return p.file.Close()
}

func fromEpoll(bits uint32) Event {
	var ev Event
	if bits&unix.EPOLLIN != 0 {
		ev |= EventRead
	}
	if bits&unix.EPOLLOUT != 0 {
		ev |= EventWrite
	}
	if bits&(unix.EPOLLHUP|unix.EPOLLRDHUP) != 0 {
		ev |= EventHangup
	}
	if bits&unix.EPOLLERR != 0 {
		ev |= EventError
	}
	if bits&unix.EPOLLPRI != 0 {
		ev |= EventUrgent
	}
	return ev
}
