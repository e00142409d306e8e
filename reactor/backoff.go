package reactor

import (
	"math/rand/v2"
	"time"
)

// Backoff yields growing, jittered, capped delays between attempts: each is drawn
// evenly from the upper half of a range that doubles from Least to Most, so that many
// clients that lost one server do not come back in step. It belongs to one goroutine.
type Backoff struct {
	Least, Most time.Duration
	current     time.Duration
}

// Next returns the delay before the next attempt.
func (b *Backoff) Next() time.Duration {
	b.current = min(max(2*b.current, b.Least), b.Most)
	half := b.current / 2
	return half + rand.N(b.current-half+1)
}

// Reset begins again at Least.
func (b *Backoff) Reset() { b.current = 0 }
