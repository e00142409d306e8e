package middleware

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/carillon-go/carillon/http"
)

// RateLimitOptions bound how many requests are let through.
type RateLimitOptions struct {
	// Rate is how many requests a second each key has in the long run: rate.Limit(5), or rate.Every(time.Minute/30) for
	// thirty a minute. Required.
	Rate rate.Limit
	// Burst is how many a key that was silent may make at once. Default: those of one second, at least 1.
	Burst int
	// Key says who makes the request. All requests of one key share its rate, also those of the key "". Default: the address
	// of Ctx.ClientIP, for IPv6 its /64, because a client has all of those; all clients of a Unix socket share one key.
	Key func(c *http.Ctx) string
	// MaxKeys bounds the keys that are remembered, and so the memory: less than 400 bytes each. When there are more, those
	// that were silent longest are forgotten, half of all at a time, and begin anew. At least 2;
	// default 65536.
	MaxKeys int
}

// RateLimit refuses what goes beyond a rate, by a token bucket for each key: 429 with Retry-After, the whole seconds until
// the next request has a token (RFC 6585 section 4, RFC 9110 section 10.2.3). What is refused takes no token. The RateLimit
// header lines of the IETF's httpapi group are not sent, for that draft still changes their meaning from version to version.
//
// It belongs inside [RealIP], without which everybody behind a proxy is one client, inside Log and CORS, and outside of
// whatever is dear, such as the checks of passwords. With a Key that depends on the user it belongs inside those. Each
// call of RateLimit counts for itself: use it on several groups for several rates.
//
// It never waits, so that it suits Inline routes. It panics on a rate that is not above 0 and finite, and on other
// numbers that make no sense.
func RateLimit(opts RateLimitOptions) http.Middleware {
	l := newRateLimiter(opts)
	key := opts.Key
	if key == nil {
		key = clientKey
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if wait := l.take(key(c), time.Now()); wait > 0 {
				seconds := int64(math.Ceil(wait.Seconds()))
				return &http.Error{
					Code: 429, Detail: "too many requests: slow down",
					Header: map[string]string{"Retry-After": strconv.FormatInt(seconds, 10)},
				}
			}
			return next(c)
		}
	}
}

func clientKey(c *http.Ctx) string { return networkKey(c.ClientIP()) }

// networkKey is the bytes of ip, or of its network where that is what a client has; "" for no address.
func networkKey(ip netip.Addr) string {
	ip = ip.Unmap()
	if ip.Is6() {
		p, _ := ip.Prefix(64) // cannot fail for 64 bits of 128
		ip = p.Addr()
	}
	return string(ip.AsSlice())
}

// rateLimiter holds the buckets in two generations. Those that were asked for lately are young. When the young are as many
// as a generation may be, they become the old ones, and the old ones that nobody has asked for meanwhile are gone. So
// nothing has to be swept, and a bucket lives until at least maxYoung other keys have come. Any goroutine may call it.
type rateLimiter struct {
	rate     rate.Limit
	burst    int
	maxYoung int

	mu    sync.Mutex
	young map[string]*rate.Limiter
	old   map[string]*rate.Limiter
}

const defaultMaxKeys = 1 << 16

func newRateLimiter(opts RateLimitOptions) *rateLimiter {
	if !(opts.Rate > 0) || math.IsInf(float64(opts.Rate), 1) || opts.Rate == rate.Inf {
		panic(fmt.Sprintf("middleware: RateLimit: a rate of %v", opts.Rate))
	}
	if opts.Burst < 0 || opts.MaxKeys < 0 || opts.MaxKeys == 1 {
		panic(fmt.Sprintf("middleware: RateLimit: Burst %d, MaxKeys %d", opts.Burst, opts.MaxKeys))
	}
	l := &rateLimiter{rate: opts.Rate, burst: opts.Burst, young: make(map[string]*rate.Limiter)}
	if l.burst == 0 {
		l.burst = max(1, int(math.Ceil(min(float64(opts.Rate), math.MaxInt32))))
	}
	if opts.MaxKeys == 0 {
		opts.MaxKeys = defaultMaxKeys
	}
	l.maxYoung = opts.MaxKeys / 2
	return l
}

// take takes a token of key. It returns 0, or how long it is until there is one.
func (l *rateLimiter) take(key string, now time.Time) time.Duration {
	bucket := l.bucket(shortKey(key))
	if bucket.AllowN(now, 1) {
		return 0
	}
	wait := (1 - bucket.TokensAt(now)) / float64(l.rate) * float64(time.Second)
	return time.Duration(max(1, min(wait, math.MaxInt64/2)))
}

// shortKey keeps clients from filling the memory with long keys.
func shortKey(key string) string {
	if len(key) <= 2*sha256.Size {
		return key
	}
	hash := sha256.Sum256([]byte(key))
	return "hash " + string(hash[:])
}

func (l *rateLimiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.young[key]; b != nil {
		return b
	}
	b := l.old[key]
	if b == nil {
		b = rate.NewLimiter(l.rate, l.burst)
	}
	if len(l.young) >= l.maxYoung {
		l.old, l.young = l.young, make(map[string]*rate.Limiter)
	}
	delete(l.old, key)
	l.young[key] = b
	return b
}
