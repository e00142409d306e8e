package main

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon/http"
)

// historySize is how many events a client may be behind.
const historySize = 256

// Feed is what has happened lately, numbered. Nothing is kept for a subscriber: each reads on from where it is, so that one
// that is slow costs no memory and holds up nobody. Any goroutine may call its methods.
type Feed struct {
	run string // in each id: numbers begin anew when the program does

	mu     sync.Mutex
	last   uint64       // the number of the newest event
	recent []http.Event // the newest last, at most historySize
	more   chan struct{}
}

// NewFeed returns a Feed in which nothing has happened.
func NewFeed() *Feed {
	return &Feed{run: strconv.FormatInt(time.Now().UnixNano(), 36), more: make(chan struct{})}
}

// Publish adds an event. data is one line of JSON.
func (f *Feed) Publish(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	if len(f.recent) == historySize {
		f.recent = f.recent[:copy(f.recent, f.recent[1:])]
	}
	f.recent = append(f.recent, http.Event{ID: f.id(), Name: name, Data: string(data)})
	close(f.more)
	f.more = make(chan struct{})
}

func (f *Feed) id() string { return f.run + "-" + strconv.FormatUint(f.last, 10) }

// Last returns the id of the newest event.
func (f *Feed) Last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.id()
}

// Cursor is a place in a Feed: behind the event of that number.
type Cursor struct {
	after uint64
	lost  bool // what comes next is not known
}

// From returns the place behind the event of that id, the end for "".
func (f *Feed) From(id string) Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == "" {
		return Cursor{after: f.last}
	}
	run, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	return Cursor{after: n, lost: run != f.run || err != nil || n > f.last}
}

// Next returns the events behind c, moves c behind them, and returns a channel that is closed when there are more. Where the
// history does not reach back to c, the event "reset" stands for all that was missed.
func (f *Feed) Next(c *Cursor) (events []http.Event, more <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first := f.last - uint64(len(f.recent)); c.lost || c.after < first {
		events = []http.Event{{ID: f.id(), Name: "reset", Data: "{}"}}
	} else {
		events = append(events, f.recent[c.after-first:]...)
	}
	*c = Cursor{after: f.last}
	return events, f.more
}

// heartbeat is how often a stream without events shows that it lives, so that no proxy takes it for dead.
const heartbeat = 15 * time.Second

// watch sends each change as it happens, from behind Last-Event-ID on when the client has one.
func (a *api) watch(c *http.Ctx) error {
	at := a.feed.From(c.LastEventID()) // before the client learns that the stream is open: it misses nothing from then on
	return c.SSE(func(s *http.EventStream) error {
		beat := time.NewTicker(heartbeat)
		defer beat.Stop()
		for {
			events, more := a.feed.Next(&at)
			for _, e := range events {
				if err := s.Send(e); err != nil {
					return err
				}
			}
			select {
			case <-more:
			case <-beat.C:
				if err := s.Comment(""); err != nil {
					return err
				}
			case <-c.Done(): // the client has left, or the server shuts down
				return nil
			}
		}
	})
}
