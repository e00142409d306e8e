package ws

import "sync/atomic"

// Stats counts what happens to the connections of the Endpoints, or Dials, that
// WithStats gives it to. All are counts since the beginning; any goroutine may
// read them.
type Stats struct {
	Opened  atomic.Int64 // connections; those that are open: Opened - Closed
	Closed  atomic.Int64
	Dead    atomic.Int64 // closed because nothing came from the peer, not even a pong
	Failed  atomic.Int64 // closed because the peer broke the protocol or a limit
	Panics  atomic.Int64 // closed because the handler panicked
	Slow    atomic.Int64 // closed by CloseSlow
	Newest  atomic.Int64 // messages dropped by DropNewest
	Oldest  atomic.Int64 // messages dropped by DropOldest
	Refused atomic.Int64 // opening handshakes that were answered with an error
}

// count counts one case of a policy.
func (s *Stats) count(p SlowPolicy) {
	switch p {
	case CloseSlow:
		s.Slow.Add(1)
	case DropNewest:
		s.Newest.Add(1)
	case DropOldest:
		s.Oldest.Add(1)
	}
}
