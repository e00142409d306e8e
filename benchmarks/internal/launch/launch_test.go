package launch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a server that is a shell script.
func shell(script string) peers.Server {
	return peers.Server{Name: "script", Args: []string{"-c", script}}
}

func TestStartTellsWhyAServerEnded(t *testing.T) {
	_, err := Start(t.Context(), shell("echo no such thing >&2; exit 3"), "/bin/sh", AnyCPU)
	if err == nil || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
}

func TestStartOfNoProgram(t *testing.T) {
	_, err := Start(t.Context(), shell(""), filepath.Join(t.TempDir(), "none"), AnyCPU)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A process of a server that never listens is gone when Start returns.
func TestStartEndsWithItsContext(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	script := "echo $$ >" + pidFile + ".new; mv " + pidFile + ".new " + pidFile + "; exec sleep 60"
	started := make(chan error)
	go func() {
		_, err := Start(ctx, shell(script), "/bin/sh", AnyCPU)
		started <- err
	}()
	pid := awaitPID(t, pidFile)
	cancel()
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("process %d: %v, want %v", pid, err, unix.ESRCH)
	}
}

func awaitPID(t *testing.T, path string) int {
	t.Helper()
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); {
		if text, err := os.ReadFile(path); err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("the script did not start")
	return 0
}

func TestStartOnPinsTheChildAlone(t *testing.T) {
	var before, after unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &before); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !before.IsSet(cpu) {
		cpu++
	}
	cmd := exec.Command("/bin/sh", "-c", "grep Cpus_allowed_list: /proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := StartOn(cmd, cpu); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if fields := strings.Fields(out.String()); len(fields) != 2 || fields[1] != strconv.Itoa(cpu) {
		t.Errorf("%q, want CPU %d alone", out.String(), cpu)
	}
	if err := unix.SchedGetaffinity(os.Getpid(), &after); err != nil || after != before {
		t.Errorf("this process may run on %v now, and on %v before (%v)", after, before, err)
	}
}

func TestStartOnACPUThatIsNotThere(t *testing.T) {
	cmd := exec.Command("/bin/true")
	if err := StartOn(cmd, 1000); err == nil || cmd.Process != nil {
		t.Errorf("%v, process %v", err, cmd.Process)
	}
}

func TestBuildTellsWhatTheCompilerSaid(t *testing.T) {
	_, err := Build(t.Context(), t.TempDir(), peers.Server{Name: "x", Package: "github.com/carillon-go/carillon/benchmarks/none"})
	if err == nil || !strings.Contains(err.Error(), "benchmarks/none") {
		t.Errorf("%v", err)
	}
}

func TestTailKeepsTheLastBytes(t *testing.T) {
	var tl tail
	for range tailSize {
		_, _ = tl.Write([]byte("ab"))
	}
	_, _ = tl.Write([]byte("end"))
	if got := tl.String(); len(got) != tailSize || !strings.HasSuffix(got, "abend") {
		t.Errorf("%d bytes that end in %q", len(got), got[max(0, len(got)-8):])
	}
}

// What is configured finds its values in the file and on the command line, and a
// certificate beside it, and leaves no folder behind.
func TestStartWithConfig(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("STATIC_DIR", "/srv/files")
	s := peers.Server{Name: "script", Config: []byte("port=$PORT\nfiles=$STATIC_DIR\n"), Args: []string{"-c", "cat $DIR/config >&2; ls -a $DIR >&2; exit 3"}}
	_, err := Start(t.Context(), s, "/bin/sh", AnyCPU)
	if err == nil || !regexp.MustCompile(`port=[0-9]+\nfiles=/srv/files\n\.\n\.\.\ncert.pem\nconfig\nkey.pem\n`).MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBuildOfNoProgram(t *testing.T) {
	_, err := Build(t.Context(), t.TempDir(), peers.Server{Name: "x", Program: "no-such-server"})
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "install it") {
		t.Errorf("%v", err)
	}
}

func TestBuildLooksInTheFoldersOfTheSystem(t *testing.T) {
	t.Setenv("PATH", "")
	got, err := find(peers.Server{Name: "x", Program: "nologin"})
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("this system has no /usr/sbin/nologin")
	}
	if err != nil || got != "/usr/sbin/nologin" {
		t.Errorf("%q, %v", got, err)
	}
}
