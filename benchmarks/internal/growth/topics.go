package growth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

const (
	members = 10  // of the topic
	others  = 100 // connections that have the other topics among them
	size    = 125 // bytes of a message
	frame   = size + 2

	burst  = 200 // publications before the clients read: what they hold fits into room
	bursts = 20  // in a sample
)

// Topics measures Hub.Publish of 125 bytes on the loop, with the writes to the ten
// members of the topic, each publication in a turn of the loop of its own. So many
// other topics have one member each, which is one of a hundred other connections.
//
// A sample has a server of its own. Kept for a whole run, one of several servers may
// cost a third more than the others in every round, be its topics few or many; the
// cause is not known (TCP acknowledging each message at once would fit).
func Topics(ctx context.Context, sizes []int, rounds int) (Curve, error) {
	points, err := interleave(ctx, sizes, rounds, sampleTopics)
	return Curve{Operation: "publish to a topic of 10", Beside: "other topics", Points: points}, err
}

func sampleTopics(_ context.Context, n int) (float64, error) {
	t, err := newTopics(n)
	if err != nil {
		return 0, err
	}
	if _, err = t.burst(); err != nil { // which warms up
		return 0, errors.Join(err, t.close())
	}
	nanos, err := t.sample()
	return nanos, errors.Join(err, t.close())
}

// topics is a server with a hub and its clients, of which the first are the members
// of the topic.
type topics struct {
	*host
	hub     *ws.Hub
	message []byte
	buf     []byte
	members []*conn
}

const topic = "topic"

func newTopics(n int) (*topics, error) {
	t := &topics{hub: ws.NewHub(), message: bytes.Repeat([]byte("m"), size), buf: make([]byte, burst*frame)}
	opened := make(chan *ws.Conn, 1)
	var err error
	t.host, err = newHost(func(app *http.App) {
		app.Get("/ws", ws.Endpoint(opener{opened: opened}, ws.WithKeepalive(0, 0)), http.Inline)
	})
	if err != nil {
		return nil, err
	}
	if err := t.join(n, opened); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

type opener struct {
	ws.NopHandler
	opened chan *ws.Conn
}

func (o opener) OnOpen(c *ws.Conn) { o.opened <- c }

const upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// join connects all, and has them enter their topics.
func (t *topics) join(n int, opened <-chan *ws.Conn) error {
	var conns []*ws.Conn
	for range members + others {
		c, err := t.dial()
		if err != nil {
			return err
		}
		head, err := c.ask(upgrade)
		if err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
			return fmt.Errorf("growth: the answer to an upgrade is %q, %w", head, err)
		}
		conns = append(conns, <-opened)
		t.members = append(t.members, c)
	}
	t.members = t.members[:members]
	for _, c := range conns[:members] {
		if err := t.hub.Join(c, topic); err != nil {
			return err
		}
	}
	for i := range n {
		if err := t.hub.Join(conns[members+i%others], fmt.Sprintf("other %d", i)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return t.hub.Flush(ctx)
}

// sample is the CPU time of a publication.
func (t *topics) sample() (float64, error) {
	var spent time.Duration
	for range bursts {
		took, err := t.burst()
		if err != nil {
			return 0, err
		}
		spent += took
	}
	return float64(spent) / (burst * bursts), nil
}

// burst publishes, one message a turn of the loop, and then reads what came of it.
func (t *topics) burst() (spent time.Duration, err error) {
	done := make(chan error, 1)
	left := burst
	var began time.Duration
	var next func()
	next = func() {
		if left == 0 { // the turn before has written the last
			spent = threadTime() - began
			done <- nil
			return
		}
		left--
		err := t.hub.Publish(topic, ws.OpBinary, t.message)
		if err == nil {
			err = t.loop.QueueInLoop(next)
		}
		if err != nil {
			done <- err
		}
	}
	if err := t.loop.QueueInLoop(func() { began = threadTime(); next() }); err != nil {
		return 0, err
	}
	if err := <-done; err != nil {
		return 0, err
	}
	for _, c := range t.members {
		if _, err := io.ReadFull(c, t.buf); err != nil {
			return 0, err
		}
		if !t.whole() {
			return 0, fmt.Errorf("growth: a member got %.300q", t.buf)
		}
	}
	return spent, nil
}

// whole reports whether buf is a burst of binary frames with the message.
func (t *topics) whole() bool {
	for p := t.buf; len(p) > 0; p = p[frame:] {
		if p[0] != 0x82 || p[1] != size || !bytes.Equal(p[2:frame], t.message) {
			return false
		}
	}
	return true
}

func (t *topics) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(t.hub.Close(ctx), t.host.close())
}
