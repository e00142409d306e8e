package static

import (
	"sync/atomic"
	"unsafe"
)

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
	// heldBytes is how much the listings of all large folders of one Files hold
	// together.
	heldBytes = 256 << 20
	// freeBytes is how much each listing may hold besides, so that a folder of the
	// usual size is listed whoever takes his time over a large one.
	freeBytes = 256 << 10
)

// cost is what the entries hold, in bytes.
func (es *entries) cost() int64 {
	return int64(cap(es.list))*int64(unsafe.Sizeof(entry{})) + int64(cap(es.names))
}

// hold sees to it that the entries so far are within the budget.
func (es *entries) hold() error {
	cost := es.cost()
	if cost <= freeBytes {
		return nil
	}
	if !es.held.take(cost - es.taken) {
		return errListings
	}
	es.taken = cost
	return nil
}

// release gives back what the entries hold. They must not be used afterwards.
func (es *entries) release() {
	es.held.give(es.taken)
	es.taken = 0
}
