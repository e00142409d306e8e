package natsbroker

import (
	"errors"
	"strings"
	"testing"

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
	nc, err := nats.Connect(startNATS(t, "").url())
	if err != nil {
		t.Fatal(err)
	}
	stream := &answers{sent: make(chan *answer, 100)}
	told := failures{errs: make(chan error, 100)}
	l := &link{b: &Broker{nc: nc, js: stream}, hub: "hub", to: told, end: make(chan struct{})}
	s := newStoring(l)
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
		nc.Close()
	})
	return s, stream, told
}

func publishAll(t *testing.T, s *storing, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if err := s.publish(&nats.Msg{Header: nats.Header{}, Data: []byte(p)}); err != nil {
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
