package static

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// asNobody runs h without root's right to read everything: setfsuid(2) is the
// calling thread's own affair.
func asNobody(h http.Handler) http.Handler {
	if os.Geteuid() != 0 {
		return h
	}
	const nobody = 65534
	return func(c *http.Ctx) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		unix.RawSyscall(unix.SYS_SETFSUID, nobody, 0, 0)
		defer unix.RawSyscall(unix.SYS_SETFSUID, 0, 0, 0)
		return h(c)
	}
}

// What is there and may not be read is forbidden, as with nginx, not missing.
func TestForbidden(t *testing.T) {
	dir := t.TempDir()
	mode := func(name string, mode os.FileMode) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(name, 0o755) }) // so that it can be removed
	}
	for _, folder := range []string{"closed", "pass", "site"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"open.txt", "closed.txt", "closed/open.txt", "pass/open.txt", "site/index.html"} {
		put(t, dir, file, []byte("text"))
	}
	mode(".", 0o755)
	mode("closed.txt", 0)
	mode("closed", 0)
	mode("pass", 0o111)
	mode("site/index.html", 0)

	for _, way := range []string{"openat2", "os.Root"} {
		files, err := New(dir)
		if err != nil {
			t.Fatal(err)
		}
		if way == "os.Root" && files.root.walk == nil {
			if files.root.walk, err = os.OpenRoot(dir); err != nil {
				t.Fatal(err)
			}
		}
		app := http.New() // its handlers are on goroutines: what would wait, and folders, stay on the thread that is nobody's
		app.Server.Loops = 1
		app.Mount("/", asNobody(files.Serve))
		addr := listening(t, app)
		want := map[string]int{
			"/open.txt": 200, "/pass/open.txt": 200,
			"/closed.txt": 403, "/closed": 403, "/closed/": 403, "/closed/open.txt": 403, "/closed/missing": 403, "/pass/": 403, "/site/": 403,
			"/missing": 404, "/pass/missing": 404, "/closed.txt/": 404,
		}
		if files.root.walk != nil { // it reads the folders that it passes
			want["/pass/open.txt"], want["/pass/missing"] = 403, 403
		}
		p := dial(t, addr)
		for target, code := range want {
			if a := p.ask("GET", target); a.code != code {
				t.Errorf("%s, %s: %d, want %d", way, target, a.code, code)
			}
		}
		p.conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
}
