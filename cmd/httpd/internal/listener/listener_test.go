package listener

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// named returns open files with these names.
func named(t *testing.T, names ...string) (list []*os.File) {
	t.Helper()
	for _, name := range names {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), name)
		t.Cleanup(func() { f.Close() })
		list = append(list, f)
	}
	return list
}

func isOpen(f *os.File) bool {
	_, err := f.Stat()
	return err == nil
}

// Systemd's sockets go to whom they are named for, and the rest to who asks for all.
func TestSocketsOfSystemd(t *testing.T) {
	files := named(t, "web", "admin", "web")
	s := &Set{systemd: files}
	for _, tt := range []struct {
		addr string
		want []*os.File
		left int
	}{
		{config.Systemd + ":none", nil, 3},
		{config.Systemd + ":web", []*os.File{files[0], files[2]}, 1},
		{config.Systemd + ":web", nil, 1},
		{config.Systemd, []*os.File{files[1]}, 0},
		{config.Systemd, nil, 0},
	} {
		got, err := s.take(context.Background(), tt.addr)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) || len(s.systemd) != tt.left {
			t.Errorf("%s: %d files, %v, %d left", tt.addr, len(got), err, len(s.systemd))
		}
	}
}

// What a process hands over goes to the same addresses: one socket each, and all of systemd's. What nobody asks for is closed.
func TestInheritedSockets(t *testing.T) {
	web, units := named(t, ":80", ":80"), named(t, "a", "b")
	gone := named(t, ":81", "rest")
	s := &Set{inherited: map[string][]*os.File{":80": slices.Clone(web), config.Systemd: units, ":81": gone[:1]}, systemd: gone[1:]}
	if !s.HasSystemd() {
		t.Error("systemd's are not known")
	}
	for _, tt := range []struct {
		addr string
		want []*os.File
	}{{":80", web[:1]}, {":80", web[1:]}, {config.Systemd, units}} {
		if got, err := s.take(context.Background(), tt.addr); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v", tt.addr, got, err)
		}
	}
	names := s.Unused()
	if slices.Sort(names); !slices.Equal(names, []string{":81", config.Systemd}) || isOpen(gone[0]) || isOpen(gone[1]) {
		t.Errorf("unused are %q", names)
	}
	if !isOpen(web[0]) || !isOpen(units[1]) || len(s.Unused()) != 0 {
		t.Error("what is used was closed")
	}
}

// The path of a dead server's socket is taken, that of one that answers is not, nor is a file.
func TestPathOfAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ctx := context.Background()
	first, err := openUnix(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := openUnix(ctx, path); err == nil {
		f.Close()
		t.Error("a second one listens at the same path")
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first does not listen any more: %v", err)
	}
	c.Close()
	first.Close() // and leaves its path
	again, err := openUnix(ctx, path)
	if err != nil {
		t.Fatalf("behind a dead one: %v", err)
	}
	again.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := openUnix(ctx, path); err == nil {
		f.Close()
		t.Error("a file was replaced")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// The path goes with the process, unless another one has the socket: the next, or the one before until this one is Ready.
func TestPathsThatAreRemoved(t *testing.T) {
	for _, tt := range []struct {
		what                                 string
		inherited, ready, handedOver, remain bool
	}{
		{"its own", false, true, false, false},
		{"its own, before it is ready", false, false, false, false},
		{"its own, handed over", false, true, true, true},
		{"inherited, and it fails", true, false, false, true},
		{"inherited, at its end", true, true, false, false},
		{"inherited, and handed over", true, true, true, true},
	} {
		path := filepath.Join(t.TempDir(), "s")
		f, err := openUnix(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		name := "unix:" + path
		s := &Set{files: []*os.File{f}, names: []string{name}, theirs: map[string]bool{name: tt.inherited}}
		if tt.ready && s.Ready() {
			t.Errorf("%s: there is nobody to be told", tt.what)
		}
		s.Close(tt.handedOver)
		if _, err := os.Lstat(path); (err == nil) != tt.remain || isOpen(f) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// A descriptor that the server does not take is closed, the set's own stays.
func TestServeThatFails(t *testing.T) {
	f := named(t, "x")[0]
	s := &Set{}
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := count()
	fails := func(string, ...http.ListenOption) (reactor.InetAddress, error) {
		return reactor.InetAddress{}, unix.EINVAL
	}
	if _, err := s.serve(fails, f, "x", nil); err != unix.EINVAL {
		t.Errorf("%v", err)
	}
	if after := count(); after != before || !isOpen(f) {
		t.Errorf("%d descriptors, were %d", after, before)
	}
}

func TestState(t *testing.T) {
	if _, err := sendState(make([]byte, 64<<10+1)); err == nil {
		t.Error("more than a pipe holds is taken")
	}
	for _, text := range []string{"", "tickets", strings.Repeat("x", 64<<10)} {
		f, err := sendState([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(stateVariable, strconv.Itoa(fd))
		if got := receiveState(); string(got) != text {
			t.Errorf("%d bytes, want %d", len(got), len(text))
		}
		if _, there := os.LookupEnv(stateVariable); there {
			t.Error("the next process would believe the variable")
		}
	}
	if receiveState() != nil {
		t.Error("a state that nobody has sent")
	}
}
