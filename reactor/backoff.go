package reactor

import (
	"math/rand/v2"
	"time"
)

// backoff yields growing, jittered, capped delays: each is drawn evenly from the
// upper half of a range that doubles, so that many clients that lost one server
// do not come back in step.
type backoff struct {
	least, most time.Duration
	current     time.Duration
}

func (b *backoff) next() time.Duration {
	b.current = min(max(2*b.current, b.least), b.most)
	half := b.current / 2
	return half + rand.N(b.current-half+1)
}

func (b *backoff) reset() { b.current = 0 }
