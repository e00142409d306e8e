package proc

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const tail = " S 1 7 7 0 -1 4194560 2500 0 3 0 123 4567 8 9 20 0 5 0 100 1000000 500 18446744073709551615\n"
	want := CPU{User: 1230 * time.Millisecond, System: 45670 * time.Millisecond}
	tests := []struct {
		name, stat string
		want       CPU
		ok         bool
	}{
		{"plain", "7 (subject)" + tail, want, true},
		{"a name with blanks", "7 (my server 2)" + tail, want, true},
		{"a name with parentheses", "7 (a) S 1 2 (b))" + tail, want, true},
		{"empty", "", CPU{}, false},
		{"cut short", "7 (subject) S 1 7 7 0 -1 4194560 2500 0 3 0 123", CPU{}, false},
		{"cut in the name", "7 (subject", CPU{}, false},
		{"no number", "7 (x) S 1 7 7 0 -1 4194560 2500 0 3 0 123 many 8", CPU{}, false},
		{"negative", "7 (x) S 1 7 7 0 -1 4194560 2500 0 3 0 -1 2 8", CPU{}, false},
		{"too large", "7 (x) S 1 7 7 0 -1 4194560 2500 0 3 0 999999999999 2 8", CPU{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat(tt.stat)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

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
	before, err := ReadCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var used CPU
	for deadline := time.Now().Add(30 * time.Second); used.Total() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no CPU time in 30 s of work")
		}
		now, err := ReadCPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		used = now.Sub(before)
	}
	if used.User < 0 || used.System < 0 {
		t.Errorf("CPU time shrank: %+v", used)
	}
	if rss, err := ReadRSS(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("RSS %d, %v; want more than 1 MiB", rss, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("7 (a b) S 1 7 7 0 -1 4194560 2500 0 3 0 123 4567 8 9")
	f.Add("VmRSS:\t  123 kB\n")
	f.Fuzz(func(t *testing.T, s string) {
		if cpu, err := parseStat(s); err == nil && (cpu.User < 0 || cpu.System < 0 || cpu.Total() < 0) {
			t.Errorf("%q: CPU time %v", s, cpu)
		}
		if rss, err := parseRSS(s); err == nil && rss < 0 {
			t.Errorf("%q: RSS %d", s, rss)
		}
	})
}
