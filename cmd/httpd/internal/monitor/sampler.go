package monitor

import (
	"cmp"
	"encoding/json"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

// Sample is a second of the server's life. Rates are of that second.
type Sample struct {
	Time        int64    `json:"t"` // Unix time, in milliseconds
	Connections int      `json:"connections"`
	InFlight    int64    `json:"inFlight"`
	Requests    int64    `json:"requests"`
	Errors4     int64    `json:"errors4"` // answers of 4xx
	Errors5     int64    `json:"errors5"`
	Bytes       int64    `json:"bytes"`
	P50         float64  `json:"p50"` // milliseconds; 0 without requests
	P99         float64  `json:"p99"`
	Max         float64  `json:"max"`
	Goroutines  int      `json:"goroutines"`
	Heap        uint64   `json:"heap"` // bytes
	Loops       []Loop   `json:"loops"`
	Total       int64    `json:"total"` // requests since the beginning
	Uptime      float64  `json:"uptime"`
	Listen      []string `json:"listen,omitempty"`
	Version     string   `json:"version,omitempty"`
}

// Loop is one event loop.
type Loop struct {
	Number   int64   `json:"n"`
	Requests int64   `json:"requests"` // of the second
	Lag      float64 `json:"lag"`      // milliseconds that a task has waited
}

// kept is how many samples a page gets when it opens: five minutes.
const kept = 300

// Sampler takes a sample each second and sends it to the pages that are open. Any goroutine.
type Sampler struct {
	recorder *Recorder
	server   *http.Server
	version  string
	listen   []string
	started  time.Time
	stop     chan struct{}
	done     chan struct{}

	mu      sync.Mutex
	history []Sample
	pages   map[*ws.Conn]struct{}

	before totals // the sampling goroutine's
}

// totals are counters as they were at the last sample.
type totals struct {
	requests, four, five, bytes int64
	buckets                     [buckets]int64
	loops                       map[int64]int64
}

// NewSampler begins to sample; Close ends it.
func NewSampler(r *Recorder, server *http.Server, version string, listen []string) *Sampler {
	s := &Sampler{
		recorder: r, server: server, version: version, listen: listen, started: time.Now(),
		stop: make(chan struct{}), done: make(chan struct{}), pages: make(map[*ws.Conn]struct{}),
		before: totals{loops: map[int64]int64{}},
	}
	go s.run()
	return s
}

// Close ends the sampling.
func (s *Sampler) Close() {
	close(s.stop)
	<-s.done
}

func (s *Sampler) run() {
	defer close(s.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s.take()
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// take makes a sample of what has happened since the last.
func (s *Sampler) take() {
	sample := s.sample()
	s.recorder.probe()
	s.mu.Lock()
	if s.history = append(s.history, sample); len(s.history) > kept {
		s.history = slices.Delete(s.history, 0, len(s.history)-kept)
	}
	pages := make([]*ws.Conn, 0, len(s.pages))
	for p := range s.pages {
		pages = append(pages, p)
	}
	s.mu.Unlock()
	text, err := json.Marshal([]Sample{sample})
	if err != nil {
		return
	}
	for _, p := range pages {
		_ = p.Send(ws.OpText, text) // one that is closing is told of by OnClose
	}
}

func (s *Sampler) sample() Sample {
	r, was := s.recorder, &s.before
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	out := Sample{
		Time: time.Now().UnixMilli(), Connections: s.server.ConnectionCount(), InFlight: r.inFlight.Load(),
		Goroutines: runtime.NumGoroutine(), Heap: mem.HeapAlloc, Uptime: time.Since(s.started).Seconds(),
		Version: s.version, Listen: s.listen, Loops: []Loop{},
	}
	for i := range r.classes {
		out.Total += r.classes[i].Load()
	}
	since := func(was *int64, now int64) int64 {
		d := now - *was
		*was = now
		return d
	}
	out.Requests = since(&was.requests, out.Total)
	out.Errors4, out.Errors5 = since(&was.four, r.classes[4].Load()), since(&was.five, r.classes[5].Load())
	out.Bytes = since(&was.bytes, r.bytes.Load())
	var counts [buckets]int64
	for i := range counts {
		counts[i] = since(&was.buckets[i], r.buckets[i].Load())
	}
	out.P50, out.P99, out.Max = quantile(&counts, 0.5), quantile(&counts, 0.99), quantile(&counts, 1)
	r.loops.Range(func(_, value any) bool {
		f := value.(*loopFigures)
		total := f.requests.Load()
		out.Loops = append(out.Loops, Loop{f.number, total - was.loops[f.number], float64(f.lag.Load()) / 1e6})
		was.loops[f.number] = total
		return true
	})
	slices.SortFunc(out.Loops, func(a, b Loop) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// quantile is the time, in milliseconds, within which a part q of the answers was made; 0 without any.
func quantile(counts *[buckets]int64, q float64) float64 {
	var all int64
	for _, n := range counts {
		all += n
	}
	rank := max(int64(float64(all)*q+0.5), 1)
	for i, n := range counts {
		if rank -= n; rank <= 0 && all > 0 {
			return float64(boundOf(i)) / 1e6
		}
	}
	return 0
}

// feed is the WebSocket of the pages.
type feed struct {
	ws.NopHandler
	s *Sampler
}

func (f feed) OnOpen(c *ws.Conn) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if text, err := json.Marshal(f.s.history); err == nil {
		_ = c.Send(ws.OpText, text) // its end is told of by OnClose
	}
	f.s.pages[c] = struct{}{}
}

func (f feed) OnClose(c *ws.Conn, _ ws.Code, _ string) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	delete(f.s.pages, c)
}
