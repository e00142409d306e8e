package http

// Limits bound what one request may make the server hold. A zero field means the default.
type Limits struct {
	MaxURI    int   // bytes of the request-target; over it 414. Default 8 KiB.
	MaxHeader int   // bytes of the header lines, and of the trailer lines, each; over it 431. Default 16 KiB.
	MaxFields int   // header lines, and trailer lines, each; over it 431. Default 100.
	MaxBody   int64 // bytes of a request's body, its chunk framing not counted; over it 413. Default 4 MiB. Below 0: no body at all.
}

const (
	defaultMaxURI    = 8 << 10
	defaultMaxHeader = 16 << 10
	defaultMaxFields = 100
	defaultMaxBody   = 4 << 20

	// largestHead keeps every offset of a head within the 32 bits that a connection remembers it by.
	largestHead = 1 << 30
)

// filled returns l with the defaults in place of what is zero or cannot be.
func (l Limits) filled() Limits {
	def := func(v, d int) int {
		if v <= 0 {
			return d
		}
		return min(v, largestHead)
	}
	l.MaxURI = def(l.MaxURI, defaultMaxURI)
	l.MaxHeader = def(l.MaxHeader, defaultMaxHeader)
	l.MaxFields = min(def(l.MaxFields, defaultMaxFields), 1<<16-1)
	switch {
	case l.MaxBody == 0:
		l.MaxBody = defaultMaxBody
	case l.MaxBody < 0:
		l.MaxBody = 0
	}
	return l
}
