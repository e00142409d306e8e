package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// inFlight is how many messages may be on their way to the stream without its answer.
const inFlight = 256

// retryAfter is how long the link waits before it publishes again what was not stored.
const retryAfter = 100 * time.Millisecond

// storing publishes to the stream. What the stream does not confirm is published again, with all that
// came behind it; by the ID of a message it knows what it has already. A message is on its way only
// when all before it are, and after a failure the first goes alone until it is stored. So nothing
// overtakes another but what was on its way behind one that fails.
type storing struct {
	l    *link
	next uint64 // of the IDs

	mu      sync.Mutex
	changed sync.Cond
	queue   []stored
	closed  bool // nothing more comes
	given   bool // up
	ended   chan struct{}
}

// stored is a message that is not confirmed.
type stored struct {
	msg *nats.Msg
	ack jetstream.PubAckFuture // nil: not sent
	err error                  // why it was not sent
}

func newStoring(l *link) *storing {
	s := &storing{l: l, ended: make(chan struct{})}
	s.changed.L = &s.mu
	go s.confirm()
	return s
}

// publish sends a message, when there is room.
func (s *storing) publish(msg *nats.Msg) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) >= inFlight && !s.closed {
		s.changed.Wait()
	}
	if s.closed {
		return nats.ErrConnectionClosed
	}
	s.next++
	msg.Header.Set(jetstream.MsgIDHeader, fmt.Sprint(s.l.hub, "-", s.next))
	n := len(s.queue)
	s.queue = append(s.queue, stored{msg: msg})
	if n == 0 || s.queue[n-1].ack != nil {
		s.queue[n].send(s.l.b)
	}
	s.changed.Broadcast()
	return nil
}

// send sends the message without waiting for the answer. An error leaves it not sent, as does a
// connection that is known to be away: what nats.go holds for it would reach a server whose stream may
// not be there yet.
func (m *stored) send(b *Broker) {
	switch b.nc.Status() {
	case nats.CONNECTED:
	case nats.CLOSED:
		m.err = nats.ErrConnectionClosed
		return
	default:
		m.err = nats.ErrDisconnected
		return
	}
	// nats.go itself would try again later, behind messages that were sent since.
	m.ack, m.err = b.js.PublishMsgAsync(m.msg, jetstream.WithRetryAttempts(0))
}

// sendWaiting sends what is not on its way of the first so many, unless close has given up.
func (s *storing) sendWaiting(most int) {
	if s.given {
		return
	}
	for i := range s.queue[:min(most, len(s.queue))] {
		m := &s.queue[i]
		if m.ack == nil {
			m.send(s.l.b)
		}
		if m.ack == nil {
			return
		}
	}
}

// confirm waits for the answers, in their order.
func (s *storing) confirm() {
	defer close(s.ended)
	for {
		first, ok := s.first()
		if !ok {
			return
		}
		err := s.answer(first)
		s.mu.Lock()
		switch {
		case s.given:
		case err == nil:
			s.queue = s.queue[1:]
			s.sendWaiting(inFlight)
		case permanent(err):
			s.queue = s.queue[1:]
			s.mu.Unlock() // who is told may publish
			s.l.to.Failed(fmt.Errorf("natsbroker: %q was not stored: %w", first.msg.Subject, err))
			s.mu.Lock()
			s.sendWaiting(inFlight)
		default:
			for i := range s.queue {
				s.queue[i].ack = nil
			}
			s.mu.Unlock()
			s.pause(err)
			s.mu.Lock()
			s.sendWaiting(1)
		}
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// first waits for the next message to confirm; false: there will be none.
func (s *storing) first() (stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.changed.Wait()
	}
	if len(s.queue) == 0 || s.given {
		return stored{}, false
	}
	return s.queue[0], true
}

// pause waits before all is sent again, and looks after the stream when that is gone.
func (s *storing) pause(err error) {
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		defer cancel()
		if _, err := s.l.b.state(ctx); err != nil {
			s.l.to.Failed(err)
		}
	}
	select {
	case <-time.After(retryAfter):
	case <-s.l.end:
	}
}

func (s *storing) answer(m stored) error {
	if m.ack == nil {
		return m.err
	}
	select {
	case <-m.ack.Ok():
		return nil
	case err := <-m.ack.Err():
		return err
	case <-s.l.end:
		return nats.ErrConnectionClosed
	}
}

// permanent reports whether publishing again cannot help: the stream has refused the message, or the
// connection will not come back.
func permanent(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.Code < 500 || errors.Is(err, nats.ErrMaxPayload) ||
		errors.Is(err, nats.ErrConnectionClosed)
}

// close waits for what is under way, for a time.
func (s *storing) close() error {
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	select {
	case <-s.ended:
		return nil
	case <-time.After(answerWithin):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = true
	s.changed.Broadcast()
	return fmt.Errorf("natsbroker: %d messages are not confirmed: %w", len(s.queue), nats.ErrTimeout)
}
