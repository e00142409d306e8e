package middleware

import (
	"encoding/binary"
	"math"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

func TestRateLimiterBucket(t *testing.T) {
	l := newRateLimiter(RateLimitOptions{Rate: 2, Burst: 3})
	start := time.Unix(1e9, 0)
	for i, step := range []struct {
		key  string
		at   time.Duration
		wait time.Duration
	}{
		{"a", 0, 0},
		{"a", 0, 0},
		{"a", 0, 0}, // the burst
		{"a", 0, 500 * time.Millisecond},
		{"a", 100 * time.Millisecond, 400 * time.Millisecond}, // what is refused takes no token
		{"b", 100 * time.Millisecond, 0},                      // another key
		{"a", 500 * time.Millisecond, 0},
		{"a", 500 * time.Millisecond, 500 * time.Millisecond},
		{"a", time.Hour, 0}, // no more than the burst is saved up
		{"a", time.Hour, 0},
		{"a", time.Hour, 0},
		{"a", time.Hour, 500 * time.Millisecond},
	} {
		if wait := l.take(step.key, start.Add(step.at)); (wait - step.wait).Abs() > time.Microsecond {
			t.Errorf("step %d: %v, want %v", i, wait, step.wait)
		}
	}
}

func TestRateLimiterDefaults(t *testing.T) {
	for r, burst := range map[rate.Limit]int{0.5: 1, 1: 1, 2.5: 3, 100: 100} {
		if l := newRateLimiter(RateLimitOptions{Rate: r}); l.burst != burst || l.maxYoung != defaultMaxKeys/2 {
			t.Errorf("rate %v: burst %d, want %d; %d keys", r, l.burst, burst, l.maxYoung)
		}
	}
}

// floodKey is one of as many keys as an attacker likes.
func floodKey(i int) string {
	return string(binary.BigEndian.AppendUint64([]byte("flood   "), uint64(i)))
}

func TestRateLimiterFloodOfKeys(t *testing.T) {
	const most = 1000
	l := newRateLimiter(RateLimitOptions{Rate: rate.Every(time.Hour), Burst: 1, MaxKeys: most})
	now := time.Unix(1e9, 0)
	if l.take("steady", now) != 0 {
		t.Fatal("refused at once")
	}
	for i := range 50 * most {
		l.take(floodKey(i), now)
		if n := len(l.young) + len(l.old); n > most {
			t.Fatalf("%d keys after %d, want at most %d", n, i, most)
		}
		// One that keeps coming is not forgotten for the others.
		if i%(most/4) == 0 && l.take("steady", now) == 0 {
			t.Fatalf("forgot a key in use after %d others", i)
		}
	}
	if l.take(floodKey(0), now) != 0 {
		t.Error("remembers a key that was silent longest")
	}
}

// The documented bound, with the longest keys that are kept as they are and with some that are not.
func TestRateLimiterMemory(t *testing.T) {
	const keys = 1 << 12
	for _, length := range []int{16, 64, 10_000} {
		l := newRateLimiter(RateLimitOptions{Rate: 1, MaxKeys: keys})
		now := time.Unix(1e9, 0)
		heap := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		for i := range 3 * keys {
			l.take(floodKey(i)+strings.Repeat("x", length-16), now)
		}
		if used := int64(heap()) - int64(before); used > keys*400 {
			t.Errorf("keys of %d bytes: %d bytes each", length, used/keys)
		}
		runtime.KeepAlive(l)
	}
}

func TestRateLimiterManyAtOnce(t *testing.T) {
	const burst, goroutines, each = 100, 8, 500
	l := newRateLimiter(RateLimitOptions{Rate: rate.Every(time.Hour), Burst: burst, MaxKeys: 4 * each * goroutines})
	now := time.Unix(1e9, 0)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				if l.take("shared", now) == 0 {
					taken.Add(1)
				}
				l.take(strconv.Itoa(g*each+i), now)
			}
		})
	}
	wg.Wait()
	if taken.Load() != burst {
		t.Errorf("%d taken of %d", taken.Load(), burst)
	}
}

func TestAddressesOfOneClient(t *testing.T) {
	key := func(s string) string { return networkKey(netip.MustParseAddr(s)) }
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2", true},
	} {
		if got := key(tc.a) == key(tc.b); got != tc.same {
			t.Errorf("%s and %s: same %v", tc.a, tc.b, got)
		}
	}
	if networkKey(netip.Addr{}) != "" {
		t.Error("no address has a key of its own")
	}
}

func TestRateLimitOptionsThatCannotBe(t *testing.T) {
	for _, opts := range []RateLimitOptions{
		{}, {Rate: -1}, {Rate: rate.Inf}, {Rate: rate.Limit(math.NaN())}, {Rate: rate.Limit(math.Inf(1))},
		{Rate: 1, Burst: -1}, {Rate: 1, MaxKeys: -1}, {Rate: 1, MaxKeys: 1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", opts)
				}
			}()
			RateLimit(opts)
		}()
	}
}

func BenchmarkRateLimiter(b *testing.B) {
	l := newRateLimiter(RateLimitOptions{Rate: 1e9})
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.take("client", now)
		}
	})
}
