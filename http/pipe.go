package http

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/carillon-go/carillon/reactor"
)

// pipe carries bytes from a loop to a goroutine: of a body that streams, or of a connection that was hijacked. It holds a
// bounded number of them; when it is full the loop stops reading the socket, until the goroutine has taken half.
type pipe struct {
	mu      sync.Mutex
	wake    sync.Cond
	buf     []byte
	off     int   // buf[off:] is not yet read
	err     error // behind those bytes: io.EOF at the end
	left    int64 // bytes that are still to come; -1 while nobody knows
	stopped bool  // the loop waits for room
	dropped bool  // nobody reads any more
	expired bool  // the time for reading is over
	shut    error // why nothing is read any more, not even what is there
	late    bool  // the answer has begun
	resume  func()
	loop    *reactor.EventLoop // that fills it, and so must not wait for it
	// first is called before the first read waits, by whoever reads and under the lock, so that no answer begins meanwhile;
	// late says that one has.
	first func(late bool)
	// arrived is called on the loop when there is more to take, or the end: for who does not wait in Read.
	arrived func()
}

// pipeSize is how many bytes a pipe holds.
const pipeSize = 64 << 10

func newPipe(loop *reactor.EventLoop, left int64, resume func()) *pipe {
	p := &pipe{left: left, resume: resume, loop: loop}
	p.wake.L = &p.mu
	return p
}

// fill has f append to the pipe at most room bytes. It says whether there was room at all; when there was none, resume is
// called once there is. Loop goroutine only.
func (p *pipe) fill(f func(dst []byte, room int) []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.arrived != nil {
		defer p.arrived()
	}
	if p.dropped {
		f(p.buf[:0], pipeSize)
		return true
	}
	room := pipeSize - (len(p.buf) - p.off)
	if room <= 0 {
		p.stopped = true
		return false
	}
	if p.off > 0 {
		p.buf = p.buf[:copy(p.buf, p.buf[p.off:])]
		p.off = 0
	}
	p.buf = f(p.buf, room)
	p.wake.Broadcast()
	return true
}

// finish says that nothing comes behind what is there; err is io.EOF for a whole body. Any goroutine may call it; only the
// first call counts.
func (p *pipe) finish(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.wake.Broadcast()
	if p.arrived != nil {
		p.arrived()
	}
	p.mu.Unlock()
}

// take is Read that does not wait, for the loop that fills the pipe: it returns all that is there, as a view that is valid
// until the loop's next callback, or the error behind it; neither where more is to come.
func (p *pipe) take() ([]byte, error) {
	p.mu.Lock()
	view := p.buf[p.off:]
	p.off = len(p.buf)
	err := p.err
	if len(view) > 0 {
		err = nil
	}
	again := p.stopped && len(view) > 0
	if again {
		p.stopped = false
	}
	p.mu.Unlock()
	if again {
		p.resume()
	}
	return view, err
}

// Read implements io.Reader. On the loop it returns reactor.ErrOnLoop where it would wait.
func (p *pipe) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	p.mu.Lock()
	for p.off == len(p.buf) && p.err == nil && p.shut == nil && !p.expired {
		if p.loop.IsInLoopThread() {
			p.mu.Unlock()
			return 0, fmt.Errorf("http: wait for the client: %w", reactor.ErrOnLoop)
		}
		if first := p.first; first != nil {
			p.first = nil
			first(p.late)
			continue
		}
		p.wake.Wait()
	}
	if p.shut != nil || p.off == len(p.buf) {
		defer p.mu.Unlock()
		switch {
		case p.shut != nil:
			return 0, p.shut
		case p.err != nil:
			return 0, p.err
		}
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, p.buf[p.off:])
	p.off += n
	again := p.stopped && len(p.buf)-p.off <= pipeSize/2
	if again {
		p.stopped = false
	}
	p.mu.Unlock()
	if again {
		p.resume()
	}
	return n, nil
}

// close ends reads that wait, and all later ones, with err; only the first call counts. What comes is still taken, as far as
// there is room.
func (p *pipe) close(err error) {
	p.mu.Lock()
	if p.shut == nil {
		p.shut = err
	}
	p.wake.Broadcast()
	p.mu.Unlock()
}

// drop lets what is still to come pass without a reader.
func (p *pipe) drop() {
	p.close(ErrHandlerReturned)
	p.mu.Lock()
	p.dropped, p.stopped = true, false
	p.buf, p.off = nil, 0
	p.mu.Unlock()
}

// expire ends reads that wait, and all later ones, until it is called with false.
func (p *pipe) expire(on bool) {
	p.mu.Lock()
	p.expired = on
	p.wake.Broadcast()
	p.mu.Unlock()
}

// rest says how many bytes have not come yet, -1 when nobody knows, and whether the sender still waits to be asked for them.
func (p *pipe) rest() (left int64, unasked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == io.EOF {
		return 0, false
	}
	return p.left, p.first != nil
}

// full says whether resume is going to be called.
func (p *pipe) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// broken says whether the end never comes.
func (p *pipe) broken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil && p.err != io.EOF
}

// waiting says whether the next byte is the sender's to send: the pipe has room, and the sender was asked.
func (p *pipe) waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err == nil && !p.stopped && p.first == nil
}

// ask has the sender asked for what it holds back, as the first read does.
func (p *pipe) ask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.first; first != nil {
		p.first = nil
		first(p.late)
	}
}

// answering says that the answer begins.
func (p *pipe) answering() {
	p.mu.Lock()
	p.late = true
	p.mu.Unlock()
}
