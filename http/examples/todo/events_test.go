package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// event is one as it arrives.
type event struct{ id, name, data string }

// watcher is a subscriber.
type watcher struct {
	t   testing.TB
	res *nethttp.Response
	r   *bufio.Reader
}

// watch subscribes; lines are further header lines. When it returns the server has it.
func (s *server) watch(lines ...string) *watcher {
	s.t.Helper()
	res, err := s.client.Do(s.request("GET", "/api/v1/events", "", lines...))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	return &watcher{s.t, res, bufio.NewReader(res.Body)}
}

// next waits for the next event; ok is false at the end of the stream.
func (w *watcher) next() (e event, ok bool) {
	for {
		line, err := w.r.ReadString('\n')
		if err == io.EOF {
			return e, false
		}
		if err != nil {
			w.t.Errorf("stream: %v", err)
			return e, false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e != (event{}) {
				return e, true
			}
		}
	}
}

// take waits for n events.
func (w *watcher) take(n int) []event {
	w.t.Helper()
	var all []event
	for range n {
		e, ok := w.next()
		if !ok {
			w.t.Fatalf("the stream ended behind %v", all)
		}
		all = append(all, e)
	}
	return all
}

// names leaves the ids out.
func names(all []event) (s []string) {
	for _, e := range all {
		s = append(s, e.name+" "+e.data)
	}
	return s
}

func TestSubscribersSeeEachChangeInOrder(t *testing.T) {
	s := start(t)
	a, b := s.watch(), s.watch()
	_, made := s.do("POST", "/api/v1/todos", `{"title":"milk"}`)
	s.do("PATCH", "/api/v1/todos/1", `{"done":true}`)
	s.do("PATCH", "/api/v1/todos/2", `{"done":true}`) // 404: no event
	s.do("DELETE", "/api/v1/todos/1", "")
	todo := func(done bool) string {
		return fmt.Sprintf(`{"id":1,"title":"milk","done":%v,"created":"%s"}`, done, made["created"])
	}
	want := []string{"created " + todo(false), "updated " + todo(true), `deleted {"id":1}`}
	got := a.take(3)
	if !reflect.DeepEqual(names(got), want) {
		t.Errorf("%q, want %q", names(got), want)
	}
	if other := b.take(3); !reflect.DeepEqual(other, got) {
		t.Errorf("one sees %q, the other %q", got, other)
	}
	_, list := s.do("GET", "/api/v1/todos", "")
	if list["last_event"] != got[2].id {
		t.Errorf("the list is as new as %v, want %s", list["last_event"], got[2].id)
	}
}

// However changes run into each other, all subscribers see them in one order.
func TestEventsOfConcurrentChanges(t *testing.T) {
	s := start(t)
	a, b := s.watch(), s.watch()
	const writers, each = 4, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				s.do("POST", "/api/v1/todos", fmt.Sprintf(`{"title":"%d of %d"}`, i, w))
			}
		})
	}
	wg.Wait()
	got := a.take(writers * each)
	for i, e := range got {
		if want := fmt.Sprintf(`{"id":%d,`, i+1); e.name != "created" || !strings.HasPrefix(e.data, want) {
			t.Fatalf("event %d: %q, want that of %s", i, e, want)
		}
	}
	if other := b.take(writers * each); !reflect.DeepEqual(other, got) {
		t.Error("the subscribers differ")
	}
}

func TestCatchUp(t *testing.T) {
	s := start(t)
	_, empty := s.do("GET", "/api/v1/todos", "")
	for i := range 4 {
		s.do("POST", "/api/v1/todos", fmt.Sprintf(`{"title":"%d"}`, i))
	}
	all := s.watch("Last-Event-ID", empty["last_event"].(string)).take(4)
	if rest := s.watch("Last-Event-ID", all[1].id).take(2); !reflect.DeepEqual(rest, all[2:]) {
		t.Errorf("behind the second: %q, want %q", rest, all[2:])
	}
	for _, id := range []string{"other-1", "rubbish", strings.Replace(all[3].id, "-", "-1", 1)} {
		w := s.watch("Last-Event-ID", id)
		if got := w.take(1); !reflect.DeepEqual(got, []event{{all[3].id, "reset", "{}"}}) {
			t.Errorf("%s: %q", id, got)
		}
	}
}

// A subscriber that is further behind than the history reaches is told so, and goes on from there.
func TestHistoryIsBounded(t *testing.T) {
	f := NewFeed()
	slow, other := f.From(""), f.From("")
	for i := range historySize {
		f.Publish("n", fmt.Append(nil, i))
	}
	if events, _ := f.Next(&other); len(events) != historySize || events[0].Data != "0" {
		t.Errorf("%d events", len(events))
	}
	f.Publish("n", []byte("last"))
	if events, _ := f.Next(&slow); len(events) != 1 || events[0].Name != "reset" || events[0].ID != f.Last() {
		t.Errorf("%v", events)
	}
	for _, c := range []*Cursor{&slow, &other} {
		want := 0
		if c == &other {
			want = 1
		}
		if events, _ := f.Next(c); len(events) != want {
			t.Errorf("%v", events)
		}
	}
	if len(f.recent) != historySize {
		t.Errorf("%d events are kept", len(f.recent))
	}
}

// One that leaves is forgotten, and the others go on.
func TestSubscriberLeaves(t *testing.T) {
	s := start(t)
	stays := s.watch()
	leaves := s.watch()
	leaves.res.Body.Close()
	s.do("POST", "/api/v1/todos", `{"title":"x"}`)
	if got := stays.take(1); got[0].name != "created" {
		t.Errorf("%q", got)
	}
	// The handler of the one that left is gone when the server has a connection less; the client keeps one idle for do.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.client.CloseIdleConnections()
	for s.app.Server.ConnectionCount() > 1 {
		if ctx.Err() != nil {
			t.Fatalf("%d connections", s.app.Server.ConnectionCount())
		}
		runtime.Gosched()
	}
}

// Streams have no end of their own, so that shutting down has to end them: as a whole answer, and at once.
func TestShutdownEndsStreams(t *testing.T) {
	s := start(t)
	a, b := s.watch(), s.watch()
	s.do("POST", "/api/v1/todos", `{"title":"x"}`)
	a.take(1)
	down := make(chan error, 1)
	began := time.Now()
	go func() { down <- s.shutdown() }()
	if e, ok := a.next(); ok {
		t.Errorf("behind the end: %q", e)
	}
	if e, ok := b.next(); !ok || e.name != "created" {
		t.Errorf("what was sent before is lost: %q", e)
	}
	if _, ok := b.next(); ok {
		t.Error("goes on")
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second { // less than the 5 s that a peer has to close its side
		t.Errorf("it took %v", took)
	}
	if _, err := s.client.Do(s.request("GET", "/healthz", "")); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("behind the end: %v", err)
	}
}
