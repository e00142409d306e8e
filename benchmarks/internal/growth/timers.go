package growth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

const (
	// turn is how many timers are added and cancelled before the loop polls again.
	turn = 64
	// leastPairs is how many a sample has at least.
	leastPairs = 200_000
)

// Timers measures adding a timer by EventLoop.RunAfter and cancelling it, on the
// loop, among so many others. All are due at times drawn evenly from ten minutes that
// begin in one. The cancelled are swept out of the queue once they are as many as
// the others: a sample has so many that its share of that is in it, and begins after
// as many, when the queue has the room that it needs.
//
// A sample has a loop of its own, alone in the heap, so that what the garbage
// collector does for the many is not paid by the few.
func Timers(ctx context.Context, sizes []int, rounds int) (Curve, error) {
	points, err := interleave(ctx, sizes, rounds, sampleTimers)
	return Curve{Operation: "add a timer and cancel it", Beside: "other timers", Points: points}, err
}

func sampleTimers(_ context.Context, others int) (float64, error) {
	m, err := runTimers(others)
	if err != nil {
		return 0, err
	}
	return float64(m.spent.Nanoseconds()) / float64(m.pairs), nil
}

func runTimers(others int) (*timers, error) {
	loop, err := reactor.NewEventLoop(reactor.WithLockOSThread(), reactor.WithWatchdog(0), reactor.WithLoopLogger(nil))
	if err != nil {
		return nil, err
	}
	m := &timers{loop: loop, left: max(others, leastPairs) / turn, random: rand.New(rand.NewPCG(1, uint64(others)))}
	m.pairs = m.left * turn
	if err := loop.QueueInLoop(func() { m.fill(others) }); err != nil {
		loop.Close()
		return nil, err
	}
	ended := make(chan error)
	go func() { ended <- loop.Loop() }()
	if err := <-ended; err != nil {
		return nil, err
	}
	if m.lost > 0 {
		return nil, fmt.Errorf("%d of %d timers could not be added and cancelled", m.lost, m.pairs)
	}
	return m, nil
}

// timers is one sample; its methods run on the loop.
type timers struct {
	loop   *reactor.EventLoop
	random *rand.Rand
	left   int // turns
	pairs  int
	added  int
	lost   int // that could not be added or cancelled
	began  time.Duration
	spent  time.Duration
}

func (m *timers) fill(others int) {
	for range others {
		m.add()
	}
	for range others {
		m.pair()
	}
	runtime.GC()
	m.began = threadTime()
	m.next()
}

// next takes one turn, and has the loop come back for the one after it.
func (m *timers) next() {
	for range turn {
		m.pair()
	}
	m.left--
	if m.left > 0 && m.loop.QueueInLoop(m.next) == nil {
		return
	}
	m.spent = threadTime() - m.began
	m.loop.Quit()
}

func (m *timers) pair() {
	if !m.loop.Cancel(m.add()) {
		m.lost++
	}
}

func (m *timers) add() reactor.TimerID {
	const soonest, latest = time.Minute, 11 * time.Minute
	m.added++
	return m.loop.RunAfter(soonest+time.Duration(m.random.Int64N(int64(latest-soonest))), nothing)
}

func nothing() {}
