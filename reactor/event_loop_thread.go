package reactor

import "sync"

// EventLoopThread is an EventLoop in a goroutine of its own (and, by
// WithLockOSThread, in a thread of its own). The loop is handed out only when it
// runs. All methods may be called from any goroutine.
type EventLoopThread struct {
	opts []LoopOption

	mu   sync.Mutex
	loop *EventLoop
	done chan struct{}
	err  error // what Loop returned; set before done is closed
}

// NewEventLoopThread prepares a thread; StartLoop starts it.
func NewEventLoopThread(opts ...LoopOption) *EventLoopThread {
	return &EventLoopThread{opts: opts}
}

// StartLoop starts the loop and returns it once it runs. Called again it returns
// the same loop. Errors: those of NewEventLoop.
func (t *EventLoopThread) StartLoop() (*EventLoop, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loop != nil {
		return t.loop, nil
	}
	loop, err := NewEventLoop(t.opts...)
	if err != nil {
		return nil, err
	}
	running := make(chan struct{})
	if err := loop.QueueInLoop(func() { close(running) }); err != nil {
		return nil, err
	}
	t.loop, t.done = loop, make(chan struct{})
	go func() {
		defer close(t.done)
		t.err = loop.Loop()
	}()
	<-running
	return loop, nil
}

// Stop makes the loop quit, waits until it has ended, and returns what Loop
// returned. On the loop's own goroutine, where it would wait for itself, it does
// nothing and returns ErrOnLoop.
func (t *EventLoopThread) Stop() error {
	t.mu.Lock()
	loop, done := t.loop, t.done
	t.mu.Unlock()
	switch {
	case loop == nil:
		return nil
	case loop.IsInLoopThread():
		return ErrOnLoop
	}
	loop.Quit()
	<-done
	return t.err
}
