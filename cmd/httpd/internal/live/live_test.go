package live

import (
	"bytes"
	"io"
	"log/slog"
	nethttp "net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

func TestMain(m *testing.M) {
	reactor.PoisonBuffers(true)
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests. It passes only when something is broken.
const patience = 20 * time.Second

func quiet(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// watches is how many inotify descriptors are open.
func watches(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "inotify") {
			n++
		}
	}
	return n
}

// Two sites with one root, a root that stays, and one that is not there: nothing is watched twice, or for good.
func TestWatchedFolders(t *testing.T) {
	r := New(quiet(t))
	one, two := t.TempDir(), t.TempDir()
	for _, tt := range []struct {
		roots []string
		open  int
		fails bool
	}{
		{[]string{one, one}, 1, false},
		{[]string{one, two}, 2, false},
		{[]string{two, filepath.Join(one, "missing")}, 2, true},
		{[]string{filepath.Join(one, "missing")}, 2, true},
		{[]string{two}, 1, false},
		{nil, 0, false},
	} {
		if err := r.Watch(tt.roots...); (err != nil) != tt.fails {
			t.Errorf("%q: %v", tt.roots, err)
		}
		if n := watches(t); n != tt.open || len(r.watched) != n {
			t.Errorf("%q: %d open, %d known, want %d", tt.roots, n, len(r.watched), tt.open)
		}
	}
}

// A reload that comes while a change is being told once waited for that, and that for the reload.
func TestWatchEndsWhileAChangeIsTold(t *testing.T) {
	r := New(quiet(t))
	root := t.TempDir()
	told, goOn := make(chan struct{}), make(chan struct{})
	w, err := newWatch(root, func(names []string) { close(told); <-goOn; r.changed(names) }, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	r.watched[root] = w
	if err := os.WriteFile(filepath.Join(root, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	<-told
	ended := make(chan error)
	go func() { ended <- r.Close() }()
	for w.file.SetReadDeadline(time.Time{}) == nil { // until it is being closed
		runtime.Gosched()
	}
	close(goOn)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("each waits for the other")
	}
}

// What is told are names below the root; those of hidden files, and of what an editor keeps beside its file, are not.
func TestChanges(t *testing.T) {
	root := t.TempDir()
	heard := make(chan []string, 16)
	w, err := newWatch(root+"/", func(names []string) { heard <- names }, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	await := func(name string) {
		t.Helper()
		for timeout := time.After(patience); ; {
			select {
			case names := <-heard:
				for _, n := range names {
					if strings.HasPrefix(filepath.Base(n), ".") || strings.HasSuffix(n, "~") || filepath.IsAbs(n) {
						t.Errorf("told of %q", n)
					}
					if n == name {
						return
					}
				}
			case <-timeout:
				t.Fatalf("not told of %s", name)
			}
		}
	}
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".hidden")
	write("page.html~")
	write("page.html")
	await("page.html")
	if err := os.Mkdir(filepath.Join(root, "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	await("new") // it is watched by now
	write("new/style.css")
	await("new/style.css")
	if err := os.Remove(filepath.Join(root, "page.html")); err != nil {
		t.Fatal(err)
	}
	await("page.html")
}

// The script goes into whole pages of HTML for browsers, and nowhere else.
func TestScriptInPages(t *testing.T) {
	r := New(quiet(t))
	for _, tt := range []struct {
		accept, mediaType, body, want string
	}{
		{"text/html", "text/html; charset=utf-8", "<body>x</body>", "<body>x" + string(tag) + "</body>"},
		{"text/html", "text/html", "<BODY>x</BODY>y", "<BODY>x" + string(tag) + "</BODY>y"},
		{"text/html", "text/html", "no end", "no end" + string(tag)},
		{"text/html", "text/html", `"</body>" <body></body>`, `"</body>" <body>` + string(tag) + "</body>"},
		{"text/html", "text/plain", "<body>x</body>", "<body>x</body>"},
		{"*/*", "text/html", "<body>x</body>", "<body>x</body>"},
	} {
		app := http.New()
		app.Use(r.Middleware)
		app.Get("/{path...}", func(c *http.Ctx) error {
			if c.Header("Accept") == "text/html" && c.Header("Range")+c.Header("If-None-Match") != "" {
				t.Error("a browser's page may be answered in part")
			}
			return c.Blob(200, tt.mediaType, []byte(tt.body))
		})
		req, err := nethttp.NewRequest("GET", "/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = nethttp.Header{"Accept": {tt.accept}, "Range": {"bytes=0-1"}, "If-None-Match": {`"x"`}}
		res, err := app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, []byte(tt.want)) {
			t.Errorf("%s as %s: %q, %v, want %q", tt.body, tt.mediaType, got, err, tt.want)
		}
	}
}
