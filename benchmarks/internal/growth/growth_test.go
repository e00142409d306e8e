package growth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/http"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInterleave(t *testing.T) {
	var order []int
	points, err := interleave(t.Context(), []int{1, 10, 100}, 2, func(_ context.Context, x int) (float64, error) {
		order = append(order, x)
		return float64(len(order)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 10, 100, 10, 1, 100, 100, 1, 10}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	// The first round of three is not there; the median of two is their mean.
	for i, want := range [][]float64{{5, 8}, {4, 9}, {6, 7}} {
		if p := points[i]; !slices.Equal(p.Samples, want) || p.Nanos != (want[0]+want[1])/2 {
			t.Errorf("size %d: samples %v, median %v; want %v", p.X, p.Samples, p.Nanos, want)
		}
	}
}

func TestInterleaveFails(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	tests := []struct {
		name   string
		ctx    context.Context
		sizes  []int
		rounds int
		want   error // nil: any
	}{
		{"no sizes", t.Context(), nil, 1, nil},
		{"a size below 1", t.Context(), []int{1, 0}, 1, nil},
		{"no rounds", t.Context(), []int{1}, 0, nil},
		{"cancelled", cancelled, []int{1}, 1, context.Canceled},
		{"a measurement that fails", t.Context(), []int{1}, 1, broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := interleave(tt.ctx, tt.sizes, tt.rounds, func(context.Context, int) (float64, error) { return 0, broken })
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && errors.Is(err, broken) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// The machine is slower in the second round, and that is no growth.
func TestRatioIsOfPairs(t *testing.T) {
	c := Curve{Points: []Point{{X: 1, Samples: []float64{10, 100, 10}}, {X: 2, Samples: []float64{0, 0, 0}}, {X: 3, Samples: []float64{12, 120, 12}}}}
	if ratio, stdErr := c.Ratio(); math.Abs(ratio-1.2) > 1e-9 || stdErr > 1e-9 {
		t.Errorf("%v ± %v, want 1.2 ± 0", ratio, stdErr)
	}
	if ratio, stdErr := (Curve{}).Ratio(); !math.IsNaN(ratio) || !math.IsNaN(stdErr) {
		t.Errorf("of nothing: %v ± %v", ratio, stdErr)
	}
}

// A request goes to every route, and there are as many as were asked for.
func TestRoutesAsksEach(t *testing.T) {
	for _, tt := range []struct{ routes, pipelined int }{{1, 1}, {10, 3}, {1000, 1}} {
		t.Run(fmt.Sprint(tt.routes, " pipelined ", tt.pipelined), func(t *testing.T) {
			hits := make([]atomic.Int64, tt.routes)
			r, err := newRoutes(tt.routes, tt.pipelined, func(route int) http.Handler {
				answer := numbered(route)
				return func(c *http.Ctx) error { hits[route].Add(1); return answer(c) }
			})
			if err != nil {
				t.Fatal(err)
			}
			nanos, err := r.sample()
			if err = errors.Join(err, r.close()); err != nil || nanos <= 0 {
				t.Errorf("%v ns, %v", nanos, err)
			}
			least, total := int64(leastAnswers/tt.routes/2), int64(0)
			for i := range hits {
				total += hits[i].Load()
				if hits[i].Load() < least {
					t.Errorf("route %d was asked %d times, want at least %d", i, hits[i].Load(), least)
				}
			}
			if total < leastAnswers {
				t.Errorf("%d requests, want at least %d", total, leastAnswers)
			}
		})
	}
}

func TestRoutesLooksAtEachAnswer(t *testing.T) {
	r, err := newRoutes(100, 2, func(route int) http.Handler {
		if route == 42 {
			route++
		}
		return numbered(route)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.sample(); err == nil || !strings.Contains(err.Error(), "route 42") {
		t.Errorf("%v", err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}

func TestTopicsPublishesAmongOthers(t *testing.T) {
	tp, err := newTopics(250)
	if err != nil {
		t.Fatal(err)
	}
	nanos, err := tp.sample()
	if err != nil || nanos <= 0 {
		t.Errorf("%v ns, %v", nanos, err)
	}
	s := tp.hub.Stats()
	if n := s.Topics.Load(); n != 251 {
		t.Errorf("%d topics, want 251", n)
	}
	if n := tp.hub.Members(topic); n != members {
		t.Errorf("%d members, want %d", n, members)
	}
	if n := s.Published.Load(); n != burst*bursts {
		t.Errorf("%d publications, want %d", n, burst*bursts)
	}
	tp.buf[len(tp.buf)-1]++
	if tp.whole() {
		t.Error("a wrong message is not noticed")
	}
	if err := tp.close(); err != nil {
		t.Error(err)
	}
}

func TestTimersAddsAmongOthers(t *testing.T) {
	for _, others := range []int{1, 1000} {
		m, err := runTimers(others)
		if err != nil {
			t.Fatal(err)
		}
		if m.added != others+others+m.pairs || m.pairs < leastPairs-turn || m.spent <= 0 {
			t.Errorf("%d were added, %d of them cancelled in %v after as many as there are others, %d", m.added, m.pairs, m.spent, others)
		}
	}
}

func TestCurves(t *testing.T) {
	sizes := []int{1, 20}
	for _, measure := range []func() (Curve, error){
		func() (Curve, error) { return Routes(t.Context(), sizes, 1, 1) },
		func() (Curve, error) { return Topics(t.Context(), sizes, 1) },
		func() (Curve, error) { return Timers(t.Context(), sizes, 1) },
	} {
		c, err := measure()
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range c.Points {
			if p.X != sizes[i] || p.Nanos < 10 || p.Nanos > 1e6 || len(p.Samples) != 1 {
				t.Errorf("%s: %+v", c.Operation, p)
			}
		}
	}
}

func BenchmarkRoutes(b *testing.B) {
	for _, pipelined := range []int{1, 16} {
		b.Run(fmt.Sprint("pipelined ", pipelined), func(b *testing.B) {
			show(b, func(rounds int) (Curve, error) {
				return Routes(b.Context(), []int{10, 1000, 10_000}, rounds, pipelined)
			})
		})
	}
}

func BenchmarkTopics(b *testing.B) {
	show(b, func(rounds int) (Curve, error) { return Topics(b.Context(), []int{1, 100, 10_000}, rounds) })
}

func BenchmarkTimers(b *testing.B) {
	show(b, func(rounds int) (Curve, error) {
		return Timers(b.Context(), []int{1000, 10_000, 100_000, 1_000_000}, rounds)
	})
}

// show takes b.N rounds: -benchtime 15x.
func show(b *testing.B, measure func(rounds int) (Curve, error)) {
	c, err := measure(b.N)
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range c.Points {
		b.ReportMetric(p.Nanos, fmt.Sprint("ns/", p.X))
	}
	ratio, stdErr := c.Ratio()
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(stdErr, "±")
	b.ReportMetric(0, "ns/op")
}
