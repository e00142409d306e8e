package http

import (
	"bytes"
	"context"
	nethttp "net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// slowhttptest in its four modes at once, against a server with short timeouts: an honest client is served all the while, and
// the server is rid of the others when the tool has ended.
func TestSlowHTTPTest(t *testing.T) {
	tool, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Skip("no slowhttptest here:", err)
	}
	t.Parallel()
	app := quiet(New())
	page := strings.Repeat("a page that is read slowly ", 1<<15)
	app.Any("/{rest...}", func(c *Ctx) error { return c.Text(200, page) })
	app.Get("/good", echo)
	s := &app.Server
	s.HeaderTimeout, s.BodyTimeout, s.IdleTimeout, s.WriteTimeout = time.Second/2, time.Second/2, time.Second/2, time.Second/2
	addr := serveApp(t, app)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for _, mode := range [][]string{
		{"-H"}, {"-B", "-s", "8192"}, {"-R", "-a", "10", "-b", "3000"}, {"-X", "-w", "1", "-y", "1", "-n", "1", "-z", "1", "-k", "2"},
	} {
		wg.Go(func() {
			args := append(mode, "-c", "50", "-r", "100", "-i", "1", "-l", "3", "-p", "1", "-x", "16", "-u", "http://"+addr+"/slow")
			cmd := exec.CommandContext(ctx, tool, args...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %v\n%s", mode, err, out)
			}
			if bytes.Contains(out, []byte("service available:   NO")) {
				t.Errorf("%v: the service was not available\n%s", mode, out)
			}
		})
	}
	attacked := make(chan struct{})
	go func() { wg.Wait(); close(attacked) }()
	c := client(t)
	var served int
	var longest time.Duration
	for over := false; !over; {
		select {
		case <-attacked:
			over = true
		default:
		}
		start := time.Now()
		res, body := fetch(t, c, "GET", "http://"+addr+"/good", "")
		longest = max(longest, time.Since(start))
		if res.StatusCode != nethttp.StatusOK || body != "GET /good " {
			t.Fatalf("%d %q", res.StatusCode, body)
		}
		served++
	}
	t.Logf("%d requests were served, the slowest in %v", served, longest)
	if longest > 5*time.Second {
		t.Errorf("a request took %v", longest)
	}
	c.CloseIdleConnections()
	until(t, "the slow connections to be gone", func() bool { return s.ConnectionCount() == 0 })
}
