package monitor

import (
	"encoding/json"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// Every time lies in a bucket whose bound is above it, and by no more than a quarter: what a quantile tells is never too little.
func TestBuckets(t *testing.T) {
	last := -1
	for us := int64(1); us < 1<<35; us += 1 + us/17 {
		d := time.Duration(us) * time.Microsecond
		i := bucketOf(d)
		if bound := boundOf(i); bound < d || float64(bound) > 1.25*float64(d) {
			t.Errorf("%v is in bucket %d, up to %v", d, i, bound)
		}
		if i < last {
			t.Errorf("%v is in bucket %d, less time was in %d", d, i, last)
		}
		last = i
	}
	for _, d := range []time.Duration{-time.Second, 0, 1, 999} {
		if i := bucketOf(d); i != 0 {
			t.Errorf("%v is in bucket %d", d, i)
		}
	}
	if i := bucketOf(1<<63 - 1); i != buckets-1 {
		t.Errorf("the longest time is in bucket %d of %d", i, buckets)
	}
}

func TestQuantile(t *testing.T) {
	var none [buckets]int64
	if q := quantile(&none, 0.5); q != 0 {
		t.Errorf("%v of no answers", q)
	}
	var counts [buckets]int64
	counts[bucketOf(time.Millisecond)] = 98
	counts[bucketOf(time.Second)] = 2
	ms, s := float64(boundOf(bucketOf(time.Millisecond)))/1e6, float64(boundOf(bucketOf(time.Second)))/1e6
	for _, tt := range []struct{ q, want float64 }{{0, ms}, {0.5, ms}, {0.98, ms}, {0.99, s}, {1, s}} {
		if got := quantile(&counts, tt.q); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.q, got, tt.want)
		}
	}
	one := [buckets]int64{7: 1}
	if got, want := quantile(&one, 0.5), float64(boundOf(7))/1e6; got != want {
		t.Errorf("of one: %v, want %v", got, want)
	}
}

func sampler(r *Recorder) *Sampler {
	return &Sampler{recorder: r, server: &http.Server{}, version: "v", listen: []string{"a"}, started: time.Now(), before: totals{loops: map[int64]int64{}}}
}

// A sample has what has come since the one before, and a total of all.
func TestSamplesAreDifferences(t *testing.T) {
	r := &Recorder{}
	s := sampler(r)
	count := func(class int, n, bytes int64, took time.Duration) {
		r.classes[class].Add(n)
		r.bytes.Add(bytes)
		r.buckets[bucketOf(took)].Add(n)
	}
	count(2, 5, 100, time.Millisecond)
	count(4, 1, 10, time.Millisecond)
	count(5, 2, 20, time.Second)
	r.inFlight.Store(3)
	if got := s.sample(); got.Requests != 8 || got.Errors4 != 1 || got.Errors5 != 2 || got.Bytes != 130 || got.Total != 8 || got.InFlight != 3 || got.Max < 1000 {
		t.Errorf("the first: %+v", got)
	}
	count(3, 1, 1, time.Millisecond)
	if got := s.sample(); got.Requests != 1 || got.Errors4 != 0 || got.Errors5 != 0 || got.Bytes != 1 || got.Total != 9 || got.Max > 2 {
		t.Errorf("the second: %+v", got)
	}
	if got := s.sample(); got.Requests != 0 || got.Max != 0 || got.Total != 9 {
		t.Errorf("the third: %+v", got)
	}
}

// What is kept for a page that opens is bounded, the oldest goes; each sample is JSON without a null that the page would trip over.
func TestHistoryIsBounded(t *testing.T) {
	s := sampler(&Recorder{})
	for i := range kept + 20 {
		s.recorder.classes[2].Add(1)
		s.take()
		if len(s.history) != min(i+1, kept) {
			t.Fatalf("%d samples behind %d", len(s.history), i+1)
		}
	}
	if first, last := s.history[0].Total, s.history[kept-1].Total; first != 21 || last != kept+20 {
		t.Errorf("from %d to %d", first, last)
	}
	text, err := json.Marshal(s.history[:1])
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

// The pages are there, and may run and reach nothing but their own.
func TestPages(t *testing.T) {
	app := http.New()
	sampler(&Recorder{}).Register(app)
	for _, p := range pages {
		req, err := nethttp.NewRequest("GET", p.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || len(body) == 0 || res.Header.Get("Content-Type") != p.mediaType {
			t.Errorf("%s: %d, %d bytes of %s, %v", p.path, res.StatusCode, len(body), res.Header.Get("Content-Type"), err)
		}
		if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", p.path, policy)
		}
		if strings.HasSuffix(p.file, ".html") && (strings.Contains(string(body), "<script>") || strings.Contains(string(body), " onclick")) {
			t.Errorf("%s has a script in it, which its policy forbids", p.path)
		}
	}
}
