package driver

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/internal/gen"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoad(t *testing.T) {
	path, err := Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	t.Cleanup(server.Close)
	l, err := Start(t.Context(), path, launch.AnyCPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	good := gen.Job{Kind: gen.Closed, Addr: server.Listener.Addr().String(), Path: "/", Want: []byte("hello"), Connections: 4, Time: 20 * time.Millisecond}
	idle := good
	idle.Kind, idle.Levels = gen.IdleHTTP, []int{1, 3}
	run := func(j gen.Job, level gen.Level) (gen.Result, error) { return l.Run(t.Context(), j, level) }

	// One after the other on the same process: a job that failed leaves nothing behind.
	if r, err := run(good, nil); err != nil || r.Done < 1 || r.LoadCPU <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	wrong := good
	wrong.Want = []byte("hallo")
	if _, err := run(wrong, nil); err == nil || !strings.Contains(err.Error(), `"hello" is not "hallo"`) {
		t.Errorf("a wrong answer: %v", err)
	}
	var levels []int
	if _, err := run(idle, func(n int) error { levels = append(levels, n); return nil }); err != nil || len(levels) != 2 {
		t.Errorf("levels %v, %v", levels, err)
	}
	refused := errors.New("refused")
	if _, err := run(idle, func(int) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("a level that fails: %v", err)
	}
	if _, err := run(good, nil); err != nil {
		t.Errorf("after that: %v", err)
	}

	// A generator that is gone is told of, also later.
	if err := unix.Kill(l.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := run(good, nil); err == nil || !strings.Contains(err.Error(), "load generator") {
			t.Errorf("of a dead generator: %v", err)
		}
	}
}

func TestStartOfNoProgram(t *testing.T) {
	if l, err := Start(t.Context(), "/nowhere", launch.AnyCPU); err == nil {
		l.Close()
		t.Error("it started")
	}
}
