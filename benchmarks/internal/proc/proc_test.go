package proc

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseRSS(t *testing.T) {
	tests := []struct {
		name, status string
		want         int64
		ok           bool
	}{
		{"plain", "Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  123 kB\nThreads:\t1\n", 123 << 10, true},
		{"a zombie has none", "Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n", 0, false},
		{"no number", "VmRSS:\t kB\n", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseRSS(tt.status)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// What the kernel says of this process is read, and grows with its work.
func TestReadOfThisProcess(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		now, err := CPU(os.Getpid())
		if err != nil || now < before {
			t.Fatalf("%v after %v, %v", now, before, err)
		}
		if now > before {
			break
		}
		if n > 1e6 {
			t.Fatal("the clock stands still")
		}
	}
	if rss, err := ReadRSS(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v; want more than 1 MiB", rss, err)
	}
}

func TestCPUOfNoProcess(t *testing.T) {
	if cpu, err := CPU(1 << 22); err == nil { // above the largest pid
		t.Errorf("%v", cpu)
	}
}

// A shell and what it started.
func TestTree(t *testing.T) {
	sh := exec.Command("sh", "-c", "sleep 60 & echo $!; wait")
	out, err := sh.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscan(out, &child); err != nil {
		t.Fatal(err)
	}
	got, err := Tree(sh.Process.Pid)
	if want := []int{sh.Process.Pid, child}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if err := unix.Kill(child, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = sh.Wait() // with a status that says nothing here
}

func FuzzParse(f *testing.F) {
	f.Add("VmRSS:\t  123 kB\n")
	f.Fuzz(func(t *testing.T, s string) {
		if rss, err := parseRSS(s); err == nil && rss < 0 {
			t.Errorf("%q: RSS %d", s, rss)
		}
	})
}
