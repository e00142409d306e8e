package reactor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that never block (every fd here is non-blocking) are made raw,
// without telling the Go scheduler: a loop that never parks keeps its P for
// longer than sysmon's 10 ms, and sysmon would then take the P back in the
// middle of each ordinary call, at two context switches a time.

func recvRetry(fd int, p []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), nil
	}
}

// readvRetry reads into own, then into extra. own may be empty.
func readvRetry(fd int, own, extra []byte) (int, error) {
	var iov [2]unix.Iovec
	iov[0].Base = unsafe.SliceData(own)
	iov[0].SetLen(len(own))
	iov[1].Base = unsafe.SliceData(extra)
	iov[1].SetLen(len(extra))
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READV, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 2)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), nil
	}
}

// sendRetry is send(2) with MSG_NOSIGNAL and the given further flags.
func sendRetry(fd int, p []byte, flags int) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), nil
	}
}

// sendvRetry is writev(2) for sockets: sendmsg(2), which takes flags as well.
func sendvRetry(fd int, iov []unix.Iovec, flags int) (int, error) {
	var msg unix.Msghdr
	msg.Iov = unsafe.SliceData(iov)
	msg.SetIovlen(len(iov))
	for {
		n, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd),
			uintptr(unsafe.Pointer(&msg)), uintptr(flags|unix.MSG_NOSIGNAL))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), nil
	}
}

// sendfileRetry is sendfile(2) from off. What lies in the page cache is sent by a raw call; what does not waits for the disk, by
// an ordinary one.
func sendfileRetry(out, in int, off int64, count int) (int, error) {
	raw := inPageCache(in, off, count)
	for {
		n, err := sendfile(out, in, &off, count, raw)
		if err == unix.EINTR {
			continue
		}
		return n, err
	}
}

func sendfile(out, in int, off *int64, count int, raw bool) (int, error) {
	if !raw {
		return unix.Sendfile(out, in, off, count)
	}
	n, _, e := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(out), uintptr(in), uintptr(unsafe.Pointer(off)), uintptr(count), 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}

// inPageCache says whether the end of a stretch of a file can be read without waiting. What lies in front of it was read with
// it, most likely; should it not be, the loop waits as it would anyhow.
func inPageCache(fd int, off int64, count int) bool { return readableNow(fd, off+int64(count)-1) }

func readableNow(fd int, off int64) bool {
	var b byte
	iov := unix.Iovec{Base: &b, Len: 1}
	// The kernel of a 64-bit system looks at the first half of the offset only.
	n, _, e := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1,
		uintptr(off), uintptr(off>>32), unix.RWF_NOWAIT)
	return e == 0 && n == 1
}

// epollWait is epoll_wait(2) with a timeout of 0: it never blocks. EINTR, and
// EAGAIN where a system-call filter makes it up, are retried: "nothing is ready"
// must be the kernel's own answer before a loop may go to sleep.
func epollWait(epfd int, events []unix.EpollEvent) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR, unix.EAGAIN:
			continue
		default:
			return 0, e
		}
	}
}

// epollWaitBriefly is epoll_wait(2) for up to some milliseconds, of which the scheduler
// hears nothing: the goroutine keeps its P. It returns early with nothing when a signal
// comes, as when the scheduler wants the P back.
func epollWaitBriefly(epfd int, events []unix.EpollEvent, milliseconds int) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(milliseconds), 0, 0)
	if e != 0 {
		return 0 // the wait that follows finds out why
	}
	return int(n)
}

func epollCtl(epfd, op, fd int, ev *unix.EpollEvent) error {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(ev)), 0, 0)
	return errnoOrNil(e)
}

// sockname is getsockname(2) or getpeername(2), as call says. The wrappers of the
// package unix also ask for the protocol, by another call.
func sockname(call uintptr, fd int) InetAddress {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	_, _, e := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return InetAddress{}
	}
	return fromRawSockaddr(&sa, size)
}

// accept4Retry returns a non-blocking, close-on-exec connection and its peer.
func accept4Retry(fd int) (int, InetAddress, error) {
	var sa unix.RawSockaddrAny
	for {
		size := uint32(unsafe.Sizeof(sa))
		n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd),
			uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, InetAddress{}, e
		}
		return int(n), fromRawSockaddr(&sa, size), nil
	}
}

// closeFD is close(2), never retried: Linux frees the fd even on EINTR.
func closeFD(fd int) error {
	_, _, e := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return errnoOrNil(e)
}

func shutdownWrite(fd int) error {
	_, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errnoOrNil(e)
}

// eventfdAdd writes 1 to an eventfd(2). Its counter would need 2^64 wake-ups to
// fill, so EAGAIN can only be made up by a system-call filter, and is retried as
// EINTR is: a lost wake-up would leave a task waiting for good.
func eventfdAdd(fd int) {
	one := uint64(1)
	for {
		_, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
		if e != unix.EINTR && e != unix.EAGAIN {
			return
		}
	}
}

// drainCounter reads the 8 bytes of an eventfd(2) or timerfd(2).
func drainCounter(fd int) {
	var count uint64
	for {
		_, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&count)), 8)
		if e != unix.EINTR {
			return
		}
	}
}
