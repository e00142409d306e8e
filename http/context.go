package http

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// lifetime is the part of a Ctx that is a context.Context. It outlives the handler, because what a handler has started may
// still hold it; so nothing here looks at the request. The standard library's contexts do the work, and one is made only
// when it is asked for.
type lifetime struct {
	used   atomic.Bool // std or cause is set, so that others may hold on to it
	stored atomic.Bool // there are values
	mu     sync.Mutex
	base   context.Context // nil stands for context.Background()
	std    context.Context // nil until it is needed
	cancel context.CancelCauseFunc
	stops  []context.CancelFunc // of deadlines
	cause  error                // why it ended; nil while it lives
	values []value
}

type value struct{ key, value any }

// Why the context of a request ended: what context.Cause returns.
var (
	// ErrClientGone: the client has closed the connection, or its side of it.
	ErrClientGone = errors.New("http: the client has gone")
	// ErrHandlerReturned: the handler is done.
	ErrHandlerReturned = errors.New("http: the handler has returned")
)

// standard returns the context that does the work.
func (l *lifetime) standard() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standardLocked()
}

func (l *lifetime) standardLocked() context.Context {
	if l.std == nil {
		base := l.base
		if base == nil {
			base = context.Background()
		}
		l.used.Store(true)
		l.std, l.cancel = context.WithCancelCause(base)
		if l.cause != nil {
			l.cancel(l.cause)
		}
	}
	return l.std
}

// end cancels the context, once.
func (l *lifetime) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return
	}
	l.used.Store(true)
	l.cause = cause
	if l.cancel != nil {
		l.cancel(cause)
	}
	for _, stop := range l.stops {
		stop()
	}
}

// Deadline implements context.Context: the time that SetTimeout set.
func (c *Ctx) Deadline() (deadline time.Time, ok bool) { return c.standard().Deadline() }

// forget lets go of what Set has stored, which goroutines that the handler has left behind may still look for.
func (l *lifetime) forget() {
	if !l.stored.Load() {
		return
	}
	l.mu.Lock()
	l.stored.Store(false)
	clear(l.values)
	l.values = l.values[:0]
	l.mu.Unlock()
}

// Done implements context.Context.
func (c *Ctx) Done() <-chan struct{} { return c.standard().Done() }

// Err implements context.Context: nil while Done is open, then context.Canceled, or context.DeadlineExceeded when the time of
// SetTimeout has passed. context.Cause says more: ErrClientGone, ErrServerClosed, ErrHandlerReturned.
func (c *Ctx) Err() error { return c.standard().Err() }

// Value implements context.Context: what Set has stored, else what an outer context holds.
func (c *Ctx) Value(key any) any {
	c.mu.Lock()
	for i := range c.values {
		if c.values[i].key == key {
			v := c.values[i].value
			c.mu.Unlock()
			return v
		}
	}
	outer := c.std // as an outer context, and for the standard library's own keys
	if outer == nil {
		outer = c.base
	}
	c.mu.Unlock()
	if outer == nil {
		return nil
	}
	return outer.Value(key)
}

// Set stores v under key for this request: for handlers behind a middleware, which find it by Get or Value. Use a key type
// of your own, as with context.WithValue. Any goroutine may call it.
func (c *Ctx) Set(key, v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.values {
		if c.values[i].key == key {
			c.values[i].value = v
			return
		}
	}
	c.values = append(c.values, value{key, v})
	c.stored.Store(true)
}

// Get returns the value that Value finds under key, when it is a T.
//
//	user, ok := http.Get[*User](c, userKey{})
func Get[T any](c *Ctx, key any) (T, bool) {
	v, ok := c.Value(key).(T)
	return v, ok
}

// SetTimeout ends the context d from now, with context.DeadlineExceeded. It can only shorten what was set before. The handler
// goes on until it looks; nothing is answered for it.
func (c *Ctx) SetTimeout(d time.Duration) {
	c.live()
	c.mu.Lock()
	defer c.mu.Unlock()
	std, stop := context.WithTimeout(c.standardLocked(), d)
	c.std = std
	c.stops = append(c.stops, stop)
}
