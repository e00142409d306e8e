package static

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/http/coding"
)

// cache holds resources by their names, for as long as nothing happens to them (see watcher), and a second at most: then they
// are looked up again. So what no event tells, such as a change by another machine, is seen within that second.
//
// Loops and goroutines share it. A hit takes the lock for reading; everything else happens one at a time, under changing.
type cache struct {
	watcher
	bounds CacheBounds

	changing sync.Mutex // held by whoever changes anything, and taken before mu
	mu       sync.RWMutex
	names    map[string]*resource

	ring      []*resource // of those that are ready, in no order
	hand      int         // of the ring: see evict
	heldFDs   int
	heldBytes int64

	seed   maphash.Seed
	recent [4096]atomic.Uint32 // of names that were asked for: see seen
}

// lifetime is how long a resource is served without another look.
const lifetime = time.Second

func newCache(bounds CacheBounds) *cache {
	k := &cache{bounds: bounds, names: make(map[string]*resource), seed: maphash.MakeSeed()}
	k.watcher.init(k)
	return k
}

// get returns what name meant, with a share for the caller, or nil.
func (k *cache) get(name []byte, now time.Duration) *resource {
	k.mu.RLock()
	r := k.names[string(name)]
	if r == nil || !r.ready || r.expires <= now {
		k.mu.RUnlock()
		return nil
	}
	if r.files > 0 {
		r.shares.Add(1)
	}
	k.mu.RUnlock()
	if !r.used.Load() {
		r.used.Store(true)
	}
	return r
}

// reserve returns a resource of that name that is not ready, in the place of what is held for it; nil when another goroutine
// looks that name up just now, or when it is asked for so seldom that it would not pay. before is what the cache held, or had
// held when a look-up that must not wait began: then it is was.
func (k *cache) reserve(name []byte, was *resource) (r, before *resource) {
	k.changing.Lock()
	defer k.changing.Unlock()
	held := k.names[string(name)]
	if was != nil && was.name == string(name) {
		before = was
	}
	switch {
	case held != nil && !held.ready, held == nil && before == nil && !k.seen(name), k.bounds.Entries == 0:
		return nil, nil
	case held != nil:
		before = held
		k.drop(held)
	}
	r = newResource(string(name))
	k.mu.Lock()
	k.names[r.name] = r
	k.mu.Unlock()
	return r, before
}

// seen says whether name was asked for not long ago, and notes it. A crawler that asks for everything once thus drives nothing
// out.
func (k *cache) seen(name []byte) bool {
	slot, mark := k.noted(name)
	return slot.Swap(mark) == mark
}

// unsee takes the note back, of a request that will come a second time.
func (k *cache) unsee(name []byte) {
	slot, mark := k.noted(name)
	slot.CompareAndSwap(mark, 0)
}

func (k *cache) noted(name []byte) (slot *atomic.Uint32, mark uint32) {
	hash := maphash.Bytes(k.seed, name)
	return &k.recent[hash%uint64(len(k.recent))], uint32(hash>>32) | 1
}

// publish makes r ready for others, unless something has happened to it since it was reserved. The caller keeps its share. What
// before had made on the fly of the same file is kept.
func (k *cache) publish(r, before *resource, now time.Duration) {
	k.changing.Lock()
	defer k.changing.Unlock()
	if r.dropped {
		return
	}
	r.inherit(before)
	r.expires = now + r.lifetime()
	if r.files > 0 {
		r.shares.Add(1)
	}
	r.place = len(k.ring)
	k.ring = append(k.ring, r)
	k.heldFDs += r.files
	k.heldBytes += r.weight
	k.mu.Lock()
	r.ready = true
	k.mu.Unlock()
	k.evict(r)
}

// lifetime is how long r may be served without another look: until its ETag becomes a strong one, when it is young.
func (r *resource) lifetime() time.Duration {
	young := r.plain().weak()
	for _, c := range r.twins {
		young = young || r.forms[c].Load().weak()
	}
	if young {
		return lifetime / 8
	}
	return lifetime
}

// inherit takes over what was made on the fly of the same state of the file.
func (r *resource) inherit(before *resource) {
	if before == nil || !r.flies || before.plain() == nil || r.plain().weak() ||
		before.plain().validators.ETag != r.plain().validators.ETag {
		return
	}
	for i := range before.forms {
		switch m := before.forms[i].Load(); {
		case m == nil || r.forms[i].Load() != nil || slices.Contains(before.twins, coding.Coding(i)): // a twin that has gone
		case m == before.plain(): // no coding makes it smaller
			r.forms[i].Store(r.plain())
		case m.inMemory():
			r.forms[i].Store(m)
			r.weight += m.weight()
		}
	}
}

// add puts a form that was made on the fly to the others of its resource.
func (k *cache) add(r *resource, c coding.Coding, m *form) {
	k.changing.Lock()
	defer k.changing.Unlock()
	r.forms[c].Store(m)
	if m == r.plain() {
		return
	}
	r.weight += m.weight()
	if r.ready && !r.dropped {
		k.heldBytes += m.weight()
		k.evict(r)
	}
}

// evict drops resources until all bounds hold, those first that nobody has asked for since the hand last passed (the clock
// algorithm); newest goes last.
func (k *cache) evict(newest *resource) {
	for len(k.ring) > 0 && (len(k.ring) > k.bounds.Entries || k.heldFDs > k.bounds.Files || k.heldBytes > k.bounds.Bytes) {
		if k.hand >= len(k.ring) {
			k.hand = 0
		}
		r := k.ring[k.hand]
		if len(k.ring) > 1 && (r == newest || r.used.Swap(false)) {
			k.hand++
			continue
		}
		k.drop(r)
	}
}

// idleTime is for how long a resource is held that nobody asks for, at least; twice that at most.
const idleTime = 10 * time.Second

// sweep drops what nobody has asked for since it last ran, so that an idle server holds neither memory nor files.
func (k *cache) sweep() {
	k.changing.Lock()
	defer k.changing.Unlock()
	for i := len(k.ring) - 1; i >= 0; i-- {
		if r := k.ring[i]; !r.used.Swap(false) {
			k.drop(r)
		}
	}
}

// drop takes r out of the cache. Only for whoever holds changing.
func (k *cache) drop(r *resource) {
	if r.dropped {
		return
	}
	r.dropped = true
	k.mu.Lock()
	if k.names[r.name] == r {
		delete(k.names, r.name)
	}
	k.mu.Unlock()
	k.unfollow(r)
	if !r.ready {
		return
	}
	last := len(k.ring) - 1
	k.ring[r.place] = k.ring[last]
	k.ring[r.place].place = r.place
	k.ring[last] = nil
	k.ring = k.ring[:last]
	k.heldFDs -= r.files
	k.heldBytes -= r.weight
	r.release()
}

// forget is drop for everybody else.
func (k *cache) forget(r *resource) {
	k.changing.Lock()
	k.drop(r)
	k.changing.Unlock()
}

// dropName drops what is held for a name.
func (k *cache) dropName(name string) {
	if r := k.names[name]; r != nil {
		k.drop(r)
	}
}

// dropAll drops everything, also what is not ready.
func (k *cache) dropAll() {
	for _, r := range k.names {
		k.drop(r)
	}
}

// close lets go of all files.
func (k *cache) close() {
	k.changing.Lock()
	defer k.changing.Unlock()
	k.dropAll()
	k.bounds.Entries = 0
	k.watcher.close()
}
