package ws

import (
	"container/list"
	"sync"
	"time"
)

// idleTopics is the topics that are kept only for their history, the one that goes
// next in front.
type idleTopics struct {
	hub    *Hub
	mu     sync.Mutex
	topics list.List // of idleTopic
	timer  *time.Timer
	closed bool
}

type idleTopic struct {
	*topic
	until time.Time
}

func (d *idleTopics) init(h *Hub) { d.hub = h }

// add puts t last. Its lock is held.
func (d *idleTopics) add(t *topic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if t.idle != nil {
		d.topics.Remove(t.idle)
	}
	t.idle = d.topics.PushBack(idleTopic{t, time.Now().Add(d.hub.limit.Age)})
	if d.timer == nil {
		d.timer = time.AfterFunc(d.hub.limit.Age, d.sweep)
	} else if d.topics.Len() == d.hub.limit.Topics+1 {
		d.timer.Reset(0)
	}
}

// remove takes t out. Its lock is held.
func (d *idleTopics) remove(t *topic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.idle != nil {
		d.topics.Remove(t.idle)
		t.idle = nil
	}
}

// sweep forgets the topics whose time has come, and those that are too many.
func (d *idleTopics) sweep() {
	for {
		t := d.due()
		if t == nil {
			return
		}
		t.mu.Lock()
		if d.take(t) {
			d.hub.forget(t)
		}
		t.mu.Unlock()
	}
}

// due returns the next topic to forget; when there is none it sets the timer.
func (d *idleTopics) due() *topic {
	d.mu.Lock()
	defer d.mu.Unlock()
	front := d.topics.Front()
	if front == nil || d.closed {
		d.timer = nil
		return nil
	}
	next := front.Value.(idleTopic)
	if left := time.Until(next.until); left > 0 && d.topics.Len() <= d.hub.limit.Topics {
		d.timer.Reset(left)
		return nil
	}
	return next.topic
}

// take takes t out if it is still due. Its lock is held.
func (d *idleTopics) take(t *topic) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.idle == nil || time.Until(t.idle.Value.(idleTopic).until) > 0 && d.topics.Len() <= d.hub.limit.Topics {
		return false
	}
	d.topics.Remove(t.idle)
	t.idle = nil
	return true
}

func (d *idleTopics) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
}
