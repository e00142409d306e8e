package static

import "sync/atomic"

// budget bounds what answers hold together while their clients take them. Any
// goroutine may call its methods.
type budget struct {
	left atomic.Int64
}

func newBudget(n int64) *budget {
	b := new(budget)
	b.left.Store(n)
	return b
}

// take says whether n were left, and takes them.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }

const (
	// heldEntries is how many entries the listings of all large folders of one
	// Files hold together: about 200 MB.
	heldEntries = 4 << 20
	// freeEntries is how many each listing may hold besides, so that a folder of
	// the usual size is listed whoever takes his time over a large one.
	freeEntries = 4096
)

// hold sees to it that the entries so far are within the budget.
func (es *entries) hold() error {
	n := int64(len(es.list)) - es.taken
	if len(es.list) <= freeEntries || es.held.take(n) {
		if len(es.list) > freeEntries {
			es.taken += n
		}
		return nil
	}
	return errListings
}

// release gives back what the entries hold. They must not be used afterwards.
func (es *entries) release() {
	es.held.give(es.taken)
	es.taken = 0
}
