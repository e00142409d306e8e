package natsbroker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/ws"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answers is a stream whose answers the test gives.
type answers struct {
	jetstream.JetStream
	sent chan *answer
}

// answer is what the stream says to one sending of a message.
type answer struct {
	jetstream.PubAckFuture
	msg  *nats.Msg
	ok   chan *jetstream.PubAck
	fail chan error
}

func (a *answer) Ok() <-chan *jetstream.PubAck { return a.ok }
func (a *answer) Err() <-chan error            { return a.fail }

func (s *answers) PublishMsgAsync(msg *nats.Msg, _ ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if len(msg.Data) > 100 {
		return nil, nats.ErrMaxPayload
	}
	a := &answer{msg: msg, ok: make(chan *jetstream.PubAck, 1), fail: make(chan error, 1)}
	s.sent <- a
	return a, nil
}

// next is the next sending, which must be of this message.
func (s *answers) next(t *testing.T, payload string) *answer {
	t.Helper()
	a := wait(t, "sending of "+payload, s.sent)
	if got := string(a.msg.Data); got != payload {
		t.Fatalf("%q is sent, want %q", got, payload)
	}
	return a
}

// failures receives what a link is told.
type failures struct {
	ws.BrokerReceiver
	errs chan error
}

func (f failures) Failed(err error) { f.errs <- err }

func startStoring(t *testing.T) (*storing, *answers, failures) {
	stream := &answers{sent: make(chan *answer, 100)}
	s, told := storeBy(t, connectTo(t, startNATS(t, "")), stream)
	return s, stream, told
}

func connectTo(t *testing.T, ns *natsServer) *nats.Conn {
	nc, err := nats.Connect(ns.url(), nats.MaxReconnects(-1), nats.CustomReconnectDelay(func(int) time.Duration { return time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func storeBy(t *testing.T, nc *nats.Conn, js jetstream.JetStream) (*storing, failures) {
	told := failures{errs: make(chan error, 100)}
	s := newStoring(&link{b: &Broker{nc: nc, js: js}, hub: "hub", to: told, end: make(chan struct{})})
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, told
}

func publishAll(t *testing.T, s *storing, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if err := s.publish(&nats.Msg{Subject: "s", Header: nats.Header{}, Data: []byte(p)}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoneOvertakes: after a failure nothing is sent before what failed is stored.
func TestNoneOvertakes(t *testing.T) {
	s, stream, _ := startStoring(t)
	publishAll(t, s, "1", "2", "3")
	first := stream.next(t, "1")
	stream.next(t, "2")
	stream.next(t, "3")
	first.fail <- nats.ErrTimeout
	again := stream.next(t, "1")
	publishAll(t, s, "4") // waits behind 1
	again.fail <- nats.ErrTimeout
	again = stream.next(t, "1")
	again.ok <- nil
	for _, p := range []string{"2", "3", "4"} {
		stream.next(t, p).ok <- nil
	}
	publishAll(t, s, "5")
	stream.next(t, "5").ok <- nil
}

// TestRefusedForGood: what can never be stored is told, and holds up nothing.
func TestRefusedForGood(t *testing.T) {
	s, stream, told := startStoring(t)
	publishAll(t, s, "1", strings.Repeat("x", 101), "2", "3")
	stream.next(t, "1").ok <- nil
	if err := wait(t, "failure", told.errs); !errors.Is(err, nats.ErrMaxPayload) {
		t.Error(err)
	}
	stream.next(t, "2").fail <- &jetstream.APIError{Code: 400}
	var refused *jetstream.APIError
	if err := wait(t, "failure", told.errs); !errors.As(err, &refused) {
		t.Error(err)
	}
	stream.next(t, "3").ok <- nil
}

// TestNothingSentWhileAway: nats.go is given nothing that it would hold until the server is back.
func TestNothingSentWhileAway(t *testing.T) {
	ns := startNATS(t, "")
	nc := connectTo(t, ns)
	away, back := nc.StatusChanged(nats.RECONNECTING), nc.StatusChanged(nats.CONNECTED)
	stream := &answers{sent: make(chan *answer, 100)}
	s, _ := storeBy(t, nc, stream)
	ns.stop()
	wait(t, "loss", away)
	publishAll(t, s, "1", "2")
	if n := len(stream.sent); n != 0 {
		t.Errorf("%d were sent", n)
	}
	ns.start()
	wait(t, "connection", back)
	first := stream.next(t, "1")
	if n := len(stream.sent); n != 0 {
		t.Error("the first did not go alone")
	}
	first.ok <- nil
	stream.next(t, "2").ok <- nil
}

// TestConnectionClosed: what can never be sent is told.
func TestConnectionClosed(t *testing.T) {
	nc := connectTo(t, startNATS(t, ""))
	s, told := storeBy(t, nc, &answers{sent: make(chan *answer, 100)})
	nc.Close()
	publishAll(t, s, "1", "2")
	for range 2 {
		if err := wait(t, "failure", told.errs); !errors.Is(err, nats.ErrConnectionClosed) {
			t.Error(err)
		}
	}
}

// TestNoRetryByNATS: a message without a responder is sent again by us, in its place, and not by nats.go.
func TestNoRetryByNATS(t *testing.T) {
	ns := startNATS(t, "")
	received := make(chan *nats.Msg, 100)
	server := connectTo(t, ns)
	if _, err := server.ChanSubscribe("s", received); err != nil {
		t.Fatal(err)
	}
	if err := server.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	nc := connectTo(t, ns)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := storeBy(t, nc, withoutStreams{js})
	next := func(payload string) *nats.Msg {
		t.Helper()
		m := wait(t, "sending of "+payload, received)
		if string(m.Data) != payload {
			t.Fatalf("%q is sent, want %q", m.Data, payload)
		}
		return m
	}
	answer := func(m *nats.Msg, header nats.Header, text string) {
		t.Helper()
		if err := server.PublishMsg(&nats.Msg{Subject: m.Reply, Header: header, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	publishAll(t, s, "1", "2")
	first := next("1")
	answer(first, nats.Header{"Status": {"503"}}, "")
	next("2")
	again := next("1")
	if again.Reply == first.Reply {
		t.Error("sent again by nats.go")
	}
	answer(again, nil, `{"stream":"S","seq":1}`)
	answer(next("2"), nil, `{"stream":"S","seq":2}`)
}

// withoutStreams does not know of any, which is asked for behind a message without a responder.
type withoutStreams struct{ jetstream.JetStream }

func (withoutStreams) Stream(context.Context, string) (jetstream.Stream, error) {
	return nil, jetstream.ErrJetStreamNotEnabled
}
