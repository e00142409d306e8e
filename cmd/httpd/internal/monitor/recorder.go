// Package monitor shows how a server does: figures of the last minutes, on a page that is fed by a WebSocket.
package monitor

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// Recorder counts requests. Any goroutine.
type Recorder struct {
	inFlight atomic.Int64
	classes  [6]atomic.Int64 // by the first digit of the status
	bytes    atomic.Int64
	buckets  [buckets]atomic.Int64
	loops    sync.Map // *reactor.EventLoop to *loopFigures
	order    atomic.Int64
}

// loopFigures is what is known of one loop.
type loopFigures struct {
	number   int64
	requests atomic.Int64
	lag      atomic.Int64 // how long the last task that was queued has waited, in nanoseconds
	asked    atomic.Int64 // when a task was queued that has not run yet, in nanoseconds of the Unix time; 0 for none
}

// buckets of the time that answers took: four to each doubling, from a microsecond on, so that a quantile is at most a
// fifth off.
const buckets = 4 * 36

func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 1))
	octave := bits.Len64(us) - 1
	quarter := int(us<<2>>octave) & 3
	return min(4*octave+quarter, buckets-1)
}

// boundOf is the upper bound of a bucket.
func boundOf(i int) time.Duration {
	octave, quarter := i/4, i%4
	return time.Duration(float64(time.Microsecond) * float64(uint64(1)<<octave) * (1 + float64(quarter+1)/4))
}

// Middleware counts what passes it. It belongs around all that answers.
func (r *Recorder) Middleware(next http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		began := time.Now()
		r.inFlight.Add(1)
		r.loop(c.Loop()).requests.Add(1)
		c.After(func(c *http.Ctx) {
			r.inFlight.Add(-1)
			r.classes[min(c.StatusCode()/100, 5)].Add(1)
			r.bytes.Add(c.BytesSent())
			r.buckets[bucketOf(time.Since(began))].Add(1)
		})
		return next(c)
	}
}

func (r *Recorder) loop(l *reactor.EventLoop) *loopFigures {
	if f, ok := r.loops.Load(l); ok {
		return f.(*loopFigures)
	}
	f, loaded := r.loops.LoadOrStore(l, &loopFigures{})
	if own := f.(*loopFigures); !loaded {
		own.number = r.order.Add(1)
	}
	return f.(*loopFigures)
}

// probe asks each loop how long a task waits there.
func (r *Recorder) probe() {
	r.loops.Range(func(key, value any) bool {
		f := value.(*loopFigures)
		now := time.Now()
		if waiting := f.asked.Load(); waiting != 0 { // longer than a second already
			f.lag.Store(now.UnixNano() - waiting)
			return true
		}
		f.asked.Store(now.UnixNano())
		err := key.(*reactor.EventLoop).QueueInLoop(func() {
			f.lag.Store(int64(time.Since(now)))
			f.asked.Store(0)
		})
		if err != nil { // the loop has quit
			r.loops.Delete(key)
		}
		return true
	})
}
