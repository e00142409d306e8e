package gen

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/launch/launchtest"
)

func plaintext(kind Kind, addr string) Job {
	return brief(Job{Kind: kind, Addr: addr, Path: "/plaintext", Want: []byte(endpoint.Text), Connections: 8})
}

func post(addr string, size int) Job {
	body := bytes.Repeat([]byte("x"), size)
	return brief(Job{Kind: Closed, Addr: addr, Path: "/echo", Body: body, Want: body, Connections: 3})
}

// All kinds on Carillon, and those of HTTP on net/http as well, plain and over TLS.
func TestKinds(t *testing.T) {
	subject := launchtest.Subject(t)
	t.Run("HTTP", func(t *testing.T) { testHTTP(t, subject) })
	t.Run("WebSocket", func(t *testing.T) { testWebSocket(t, subject) })
	t.Run("idle", func(t *testing.T) { testIdleLevels(t, subject) })
}

func testHTTP(t *testing.T, subject *launch.Server) {
	with := func(j Job, change func(*Job)) Job {
		change(&j)
		return j
	}
	for _, server := range []struct {
		name, addr string
		tls        bool
	}{
		{"net/http", standard(t, false), false},
		{"net/http over TLS", standard(t, true), true},
		{"subject", subject.Addr, false},
	} {
		jobs := map[string]Job{
			"closed":          plaintext(Closed, server.addr),
			"pipelined":       with(plaintext(Closed, server.addr), func(j *Job) { j.Depth = 16 }),
			"others silent":   with(plaintext(Closed, server.addr), func(j *Job) { j.Silent = 100 }),
			"open":            with(plaintext(Open, server.addr), func(j *Job) { j.Rate = 500 }),
			"churn":           plaintext(Churn, server.addr),
			"POST of 1 KiB":   post(server.addr, 1<<10),
			"POST of 300 KiB": post(server.addr, 300<<10), // above one read
		}
		for name, j := range jobs {
			t.Run(server.name+" "+name, func(t *testing.T) {
				j.TLS, j.PIDs = server.tls, []int{os.Getpid()}
				if j.TLS && j.Kind == Churn {
					j.Connections, j.Time = 2, time.Second // handshakes take their time
				}
				r, err := newEngine(t).Run(t.Context(), j, nil)
				if err != nil {
					t.Fatal(err)
				}
				if r.Done < 1 || r.Window < j.Time || r.CPU <= 0 || r.LoadCPU <= 0 {
					t.Errorf("%+v", r)
				}
				if l := r.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max*1.001 {
					t.Errorf("latency %+v", l)
				}
			})
		}
	}
}

func testWebSocket(t *testing.T, subject *launch.Server) {
	e := newEngine(t)
	for _, size := range []int{numberSize, 125, 1000, 64 << 10, 300 << 10} {
		j := brief(Job{Kind: Echo, Addr: subject.Addr, Path: "/ws", Body: bytes.Repeat([]byte("x"), size), Connections: 20})
		if r, err := e.Run(t.Context(), j, nil); err != nil || r.Done < 1 {
			t.Errorf("%d B: %+v, %v", size, r, err)
		}
	}
	j := brief(Job{Kind: Broadcast, Addr: subject.Addr, Path: "/broadcast", Body: bytes.Repeat([]byte("x"), 125), Connections: 200})
	if r, err := e.Run(t.Context(), j, nil); err != nil || r.Done < 1 || r.Latency.P50 <= 0 {
		t.Errorf("broadcast: %+v, %v", r, err)
	}
}

// While a level is held the connections of it are there, and each has had an answer.
func testIdleLevels(t *testing.T, subject *launch.Server) {
	for kind, path := range map[Kind]string{IdleHTTP: "/plaintext", IdleEcho: "/ws"} {
		var levels []int
		j := Job{Kind: kind, Addr: subject.Addr, Path: path, Want: []byte(endpoint.Text), Levels: []int{10, 150}}
		if kind == IdleEcho {
			j.Body = []byte("a message")
		}
		_, err := newEngine(t).Run(t.Context(), j, func(n int) error {
			levels = append(levels, n)
			fds, err := os.ReadDir("/proc/self/fd")
			if len(fds) < n {
				t.Errorf("%d fds for %d connections", len(fds), n)
			}
			return err
		})
		if err != nil || !slices.Equal(levels, j.Levels) {
			t.Errorf("%s: levels %v, %v", kind, levels, err)
		}
	}
	refused := errors.New("refused")
	j := Job{Kind: IdleHTTP, Addr: subject.Addr, Path: "/plaintext", Want: []byte(endpoint.Text), Levels: []int{1, 2}}
	if _, err := newEngine(t).Run(t.Context(), j, func(int) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
}

// Latency of the open loop counts from when a request was due: a server that stands
// still for a while has made everyone wait whose request was due then, although only
// one was under way (coordinated omission).
func TestOpenLoopCountsFromWhenItWasDue(t *testing.T) {
	for name, at := range map[string]int{"in the window": 50, "over its end": 350} {
		t.Run(name, func(t *testing.T) { openLoopWithPause(t, at) })
	}
}

func openLoopWithPause(t *testing.T, at int) {
	const pause = 100 * time.Millisecond
	addr := pretend(t, func(c net.Conn, in *bufio.Reader) error {
		for n := 0; ; n++ {
			if _, err := http.ReadRequest(in); err != nil {
				return err
			}
			if n == at {
				<-time.After(pause)
			}
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
				return err
			}
		}
	})
	j := Job{Kind: Open, Addr: addr, Path: "/", Want: []byte("ok"), Connections: 1, Rate: 1000, Time: 4 * pause}
	r, err := newEngine(t).Run(t.Context(), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	// A hundred of four hundred waited, the first of them for all of the pause; at the
	// end it is fifty of them, for the half of it and more.
	if least := float64(pause.Microseconds()) / 3; r.Latency.P90 < least {
		t.Errorf("p90 %.0f µs, want at least %.0f: %+v", r.Latency.P90, least, r)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	j := plaintext(Closed, standard(t, false))
	j.Time = time.Hour
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	if _, err := newEngine(t).Run(ctx, j, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestJobsThatTellNothing(t *testing.T) {
	good := plaintext(Closed, "127.0.0.1:1")
	tests := []struct {
		name   string
		change func(*Job)
		want   string
	}{
		{"no connections", func(j *Job) { j.Connections = 0 }, "needs connections"},
		{"no body", func(j *Job) { j.Want = nil }, "without a body"},
		{"no time", func(j *Job) { j.Time = 0 }, "needs time"},
		{"no rate", func(j *Job) { j.Kind = Open }, "needs a rate"},
		{"no levels", func(j *Job) { j.Kind = IdleHTTP }, "need levels"},
		{"no message", func(j *Job) { j.Kind = Echo }, "at least 8"},
		{"no file", func(j *Job) { j.Want, j.WantFile = nil, "/nowhere" }, "no such file"},
		{"no address", func(j *Job) { j.Addr = "x" }, "address"},
		{"no process", func(j *Job) { j.PIDs = []int{1 << 22} }, "CPU clock"},
		{"no server", func(*Job) {}, "refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := good
			tt.change(&j)
			if _, err := newEngine(t).Run(t.Context(), j, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
