package ws

import (
	"math/bits"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// wheelSlots is how many ticks a wheel looks ahead; what is due later is looked
// at again then.
const wheelSlots = 64

// maxTick bounds a wheel's tick: how much later than on time a ping may be.
const maxTick = time.Second

// wheel is the keepalive of a shard's connections: one timer for all of them. A
// connection stands in the slot of the tick in which it is to be looked at;
// messages do not move it. Only ticks with a connection wake the loop.
//
// It belongs to the loop. A connection is in it from open to the end.
type wheel struct {
	loop     *reactor.EventLoop
	tick     time.Duration
	slots    [wheelSlots][]wheelEntry
	occupied uint64 // a bit for each slot that is not empty
	timer    reactor.TimerID
	armedFor int64 // the tick that timer is for, while it is valid
}

// wheelEntry is a connection, and when it is due.
type wheelEntry struct {
	conn *Conn
	due  time.Duration
}

// nowhere is the place of a connection that is not in the wheel.
const nowhere = -1

// newWheel makes a wheel whose tick is an eighth of the shorter of both times at
// most.
func newWheel(loop *reactor.EventLoop, idle, within time.Duration) *wheel {
	return &wheel{loop: loop, tick: max(min(idle/8, within/8, maxTick), time.Millisecond)}
}

// add puts c into the slot of the tick in which at falls, so that c may be looked
// at a tick early; the next at least.
func (w *wheel) add(c *Conn, at time.Duration) {
	now := int64(w.loop.Now() / w.tick)
	due := min(max(int64(at/w.tick), now+1), now+wheelSlots-1)
	slot := due % wheelSlots
	c.spoke, c.place = uint8(slot), int32(len(w.slots[slot]))
	w.slots[slot] = append(w.slots[slot], wheelEntry{c, at})
	w.occupied |= 1 << slot
	w.arm(due)
}

// remove takes c out, if it is there.
func (w *wheel) remove(c *Conn) {
	if c.place == nowhere {
		return
	}
	s := w.slots[c.spoke]
	last := len(s) - 1
	moved := s[last]
	s[c.place], moved.conn.place = moved, c.place
	s[last] = wheelEntry{}
	w.slots[c.spoke] = s[:last]
	c.place = nowhere
	if last == 0 {
		w.occupied &^= 1 << c.spoke
		w.slots[c.spoke] = nil
	}
}

// arm has the timer fire in that tick, unless it fires before.
func (w *wheel) arm(due int64) {
	if w.timer.Valid() && w.armedFor <= due {
		return // also when it is late: turn looks at all ticks since
	}
	w.loop.Cancel(w.timer)
	w.armedFor = due
	w.timer = w.loop.RunAfter(time.Duration(due)*w.tick-w.loop.Now(), w.turn)
}

// turn looks at all connections whose tick has come, and waits for the next.
func (w *wheel) turn() {
	w.timer = reactor.TimerID{}
	now := int64(w.loop.Now() / w.tick)
	for due, end := w.armedFor, w.armedFor+wheelSlots; due <= now && due < end; due++ {
		w.look(int(due % wheelSlots))
	}
	if w.occupied == 0 {
		return
	}
	// The distance, in slots, from the next tick to the first that has somebody.
	next := (now + 1) % wheelSlots
	w.arm(now + 1 + int64(bits.TrailingZeros64(bits.RotateLeft64(w.occupied, -int(next)))))
}

// look empties a slot. Its connections go back to where they are due next; one
// that another's callback has ended meanwhile is out.
func (w *wheel) look(slot int) {
	due := w.slots[slot]
	w.slots[slot] = nil
	w.occupied &^= 1 << slot
	for _, e := range due {
		e.conn.place = nowhere
	}
	soon := w.loop.Now() + w.tick
	for _, e := range due {
		switch {
		case e.conn.phase == closed || e.conn.place != nowhere:
		case e.due >= soon:
			w.add(e.conn, e.due) // it was further away than the wheel goes
		default:
			if next := e.conn.keepaliveInLoop(); next > 0 {
				w.add(e.conn, next)
			}
		}
	}
}
