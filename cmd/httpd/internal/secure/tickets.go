package secure

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"
)

// tickets are the keys that session tickets are sealed by (RFC 8446 section 4.6.1). crypto/tls has such keys of its own, and as it
// does, a new one comes each day, and an old one opens tickets for a week; but these can be handed on.
type tickets struct {
	mu      sync.Mutex
	keys    []ticketKey // the newest first
	configs []*tls.Config
	timer   *time.Timer // nil before serve, and after close
	closed  bool
}

type ticketKey struct {
	Key  [32]byte  `json:"key"`
	Made time.Time `json:"made"`
}

const (
	ticketKeyNew  = 24 * time.Hour
	ticketKeyLast = 7 * 24 * time.Hour
)

func newTickets(handed []ticketKey) *tickets {
	t := &tickets{keys: handed}
	t.rotate()
	return t
}

// rotate makes a new key when the newest is a day old, and returns when the next one is due.
func (t *tickets) rotate() time.Duration {
	now := time.Now()
	if len(t.keys) == 0 || now.Sub(t.keys[0].Made) >= ticketKeyNew {
		k := ticketKey{Made: now}
		_, _ = rand.Read(k.Key[:]) // never fails
		t.keys = append([]ticketKey{k}, t.keys...)
	}
	for i, k := range t.keys {
		if now.Sub(k.Made) >= ticketKeyLast {
			t.keys = t.keys[:i]
			break
		}
	}
	return ticketKeyNew - now.Sub(t.keys[0].Made)
}

// serve gives the keys to c, now and whenever they change.
func (t *tickets) serve(c *tls.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.configs = append(t.configs, c)
	t.giveLocked()
}

func (t *tickets) giveLocked() {
	if t.closed {
		return
	}
	due := t.rotate()
	var keys [][32]byte
	for _, k := range t.keys {
		keys = append(keys, k.Key)
	}
	for _, c := range t.configs {
		c.SetSessionTicketKeys(keys)
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(due, t.give)
	} else {
		t.timer.Reset(due)
	}
}

func (t *tickets) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.giveLocked()
}

// all are the keys, to be handed on.
func (t *tickets) all() []ticketKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]ticketKey(nil), t.keys...)
}

// close ends the changes.
func (t *tickets) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
