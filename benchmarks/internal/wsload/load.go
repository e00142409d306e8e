package wsload

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// Window is called when the measured time begins and again when it ends.
type Window func() error

// Exchange sends the message once on each connection from the index from on, and
// waits for the answers.
func (l *Client) Exchange(ctx context.Context, from int) error {
	l.onAnswer = nil
	for _, c := range l.conns[from:] {
		l.ask(c)
	}
	return l.settle(ctx)
}

// Echo has each connection send the message again whenever the answer has come:
// for warmUp, and then for d, in which it counts the answers. It returns their
// number and how long d was. What went wrong is in Faults.
func (l *Client) Echo(ctx context.Context, warmUp, d time.Duration, window Window) (int64, time.Duration, error) {
	l.onAnswer = l.ask
	for _, c := range l.conns {
		l.ask(c)
	}
	if err := l.during(ctx, warmUp); err != nil {
		return 0, 0, err
	}
	if err := window(); err != nil {
		return 0, 0, err
	}
	before, began := l.messages, time.Now()
	if err := l.during(ctx, d); err != nil {
		return 0, 0, err
	}
	n, took := l.messages-before, time.Since(began)
	if err := window(); err != nil {
		return 0, 0, err
	}
	return n, took, l.settle(ctx)
}

// during pumps for d, or until no connection is left.
func (l *Client) during(ctx context.Context, d time.Duration) error {
	err := l.pump(ctx, d, func() bool { return l.outstanding <= 0 })
	if errors.Is(err, errTime) {
		return nil
	}
	return err
}

// numberSize is how much of a payload Broadcast replaces by a number.
const numberSize = 8

// warmUpBroadcasts are not measured.
const warmUpBroadcasts = 2

// Broadcast has one connection send a message and waits until all have it, again
// and again for at least d and at least once. The messages differ in a number at
// their beginning, of 8 bytes. It returns how long each took from before it was
// sent until the last connection had it. What went wrong is in Faults.
func (l *Client) Broadcast(ctx context.Context, d time.Duration, window Window) ([]time.Duration, error) {
	if len(l.payload) < numberSize {
		return nil, errors.New("no room for a number in the payload")
	}
	var took []time.Duration
	for n := range warmUpBroadcasts {
		if _, err := l.once(ctx, n); err != nil {
			return nil, err
		}
	}
	if err := window(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(d); l.faults == (Faults{}); {
		t, err := l.once(ctx, warmUpBroadcasts+len(took))
		if err != nil {
			return nil, err
		}
		took = append(took, t)
		if !time.Now().Before(end) {
			break
		}
	}
	return took, window()
}

// once makes one broadcast.
func (l *Client) once(ctx context.Context, number int) (time.Duration, error) {
	binary.BigEndian.PutUint64(l.payload, uint64(number))
	l.setMessage(l.payload)
	var sender *conn
	for _, c := range l.conns {
		if c.fd >= 0 {
			sender = c
			c.due++
			l.outstanding++
		}
	}
	if sender == nil {
		return 0, errors.New("no connection is left")
	}
	l.onAnswer = nil
	began := time.Now()
	sender.send(l.frame)
	err := l.settle(ctx)
	return time.Since(began), err
}
