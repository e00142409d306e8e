package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/carillon-go/carillon/ws"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The stream publishes each message that it has stored once more, with its number and the number
// of the one before it in the same topic: so that a topic costs a subscription and no consumer,
// and a gap shows. What is missing is then read from the stream.

// fetchBatch is how many messages are asked for at a time.
const fetchBatch = 256

// restore reads a topic's history and gives it to the hub.
func (l *link) restore(f *feed) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return l.restoreLocked(f)
}

func (l *link) restoreLocked(f *feed) error {
	ctx, cancel := context.WithTimeout(context.Background(), 6*answerWithin)
	defer cancel()
	info, err := l.b.state(ctx)
	if err != nil {
		return err
	}
	f.epoch = epochOf(info)
	var kept []ws.BrokerMessage
	count := int64(0)
	err = l.fetch(ctx, f, 1, func(m ws.BrokerMessage) {
		if count++; len(kept) == l.limit.Messages {
			kept = append(kept[:0], kept[1:]...)
		}
		kept = append(kept, m)
	})
	if err != nil {
		return err
	}
	// All of the topic that came after floor is kept: the stream drops its oldest messages, and the
	// oldest of a topic that has many. It is asked again, for what it has dropped meanwhile.
	if info, err = l.b.state(ctx); err != nil {
		return err
	}
	floor := info.State.FirstSeq - 1
	if info.State.FirstSeq == 0 { // an empty stream
		floor = info.State.LastSeq
	}
	if full := l.full(count) || count > int64(len(kept)); full && len(kept) > 0 {
		floor = max(floor, kept[0].Position.Offset-1)
	}
	f.last = floor
	if n := len(kept); n > 0 {
		f.last = kept[n-1].Position.Offset
	}
	l.sawUpTo(info.State.LastSeq)
	l.to.Restore(f.topic, f.epoch, floor, kept, floor == 0)
	return nil
}

// full reports whether so many messages are all that the stream keeps of a topic.
func (l *link) full(count int64) bool {
	most := l.b.stream.MaxMsgsPerSubject
	return most > 0 && count >= most
}

// sawUpTo notes the highest number that is known.
func (l *link) sawUpTo(number uint64) {
	for {
		before := l.seen.Load()
		if before >= number || l.seen.CompareAndSwap(before, number) {
			return
		}
	}
}

// epochOf tells one life of the stream from another.
func epochOf(info *jetstream.StreamInfo) uint64 { return uint64(info.Created.UnixNano()) }

// fetch reads the messages of a topic from number from on.
func (l *link) fetch(ctx context.Context, f *feed, from uint64, take func(ws.BrokerMessage)) error {
	c, err := l.b.js.CreateConsumer(ctx, l.b.stream.Name, jetstream.ConsumerConfig{
		FilterSubject: l.b.stored(f.topic),
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: 6 * answerWithin,
	})
	if err != nil {
		return fmt.Errorf("natsbroker: history of %q: %w", f.topic, err)
	}
	left := int(c.CachedInfo().NumPending)
	for left > 0 && err == nil {
		left, err = l.fetchSome(c, f, left, take)
	}
	if e := l.b.js.DeleteConsumer(ctx, l.b.stream.Name, c.CachedInfo().Name); e != nil && !errors.Is(e, jetstream.ErrConsumerNotFound) {
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("natsbroker: history of %q: %w", f.topic, err)
	}
	return nil
}

// fetchSome reads a batch of what is left, and returns what then is.
func (l *link) fetchSome(c jetstream.Consumer, f *feed, left int, take func(ws.BrokerMessage)) (int, error) {
	batch, err := c.Fetch(min(left, fetchBatch), jetstream.FetchMaxWait(answerWithin))
	if err != nil {
		return left, err
	}
	got := 0
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		if err != nil {
			return left, err
		}
		m, err := message(f.topic, msg.Headers(), msg.Data())
		if err != nil {
			l.to.Failed(err) // not one of ours
		} else {
			m.Position = ws.Position{Epoch: f.epoch, Offset: meta.Sequence.Stream}
			take(m)
		}
		got++
		left = int(meta.NumPending)
	}
	if err := batch.Error(); err != nil {
		return left, err
	}
	if got == 0 {
		return left, context.DeadlineExceeded
	}
	return left, nil
}

// receiveKept takes a message that the stream has stored.
func (l *link) receiveKept(f *feed, msg *nats.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	number, err1 := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	before, err2 := strconv.ParseUint(msg.Header.Get(jetstream.LastSequenceHeader), 10, 64)
	m, err3 := message(f.topic, msg.Header, msg.Data)
	if err := errors.Join(err1, err2, err3); err != nil {
		l.to.Failed(fmt.Errorf("natsbroker: stream %q, topic %q: %w", l.b.stream.Name, f.topic, err))
		return
	}
	switch {
	case number <= f.last: // was among what was read from the stream
	case before > f.last:
		l.catchUpLocked(f) // this one included
	default:
		m.Position = ws.Position{Epoch: f.epoch, Offset: number}
		f.last = number
		l.sawUpTo(number)
		l.to.Deliver(m)
	}
}

func (l *link) catchUp(f *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.catchUpLocked(f)
}

// catchUpLocked delivers what the stream has and the hub has not. When the stream does not have all
// of it, or is another one, the history begins anew.
func (l *link) catchUpLocked(f *feed) {
	for {
		err := l.catchUpOnce(f)
		if err == nil {
			return
		}
		l.to.Failed(err)
		select {
		case <-time.After(answerWithin / 10): // and once more: nothing may be left out
		case <-l.end:
			return
		}
	}
}

func (l *link) catchUpOnce(f *feed) error {
	ctx, cancel := context.WithTimeout(context.Background(), 6*answerWithin)
	defer cancel()
	info, err := l.b.state(ctx)
	if err != nil {
		return err
	}
	if epochOf(info) != f.epoch || info.State.LastSeq < f.last || info.State.FirstSeq > max(f.last, l.seen.Load())+1 {
		return l.restoreLocked(f)
	}
	count := int64(0)
	var missed []ws.BrokerMessage
	if err := l.fetch(ctx, f, f.last+1, func(m ws.BrokerMessage) { count++; missed = append(missed, m) }); err != nil {
		return err
	}
	if l.full(count) {
		return l.restoreLocked(f) // there may have been more
	}
	for _, m := range missed {
		f.last = m.Position.Offset
		l.to.Deliver(m)
	}
	return nil
}
