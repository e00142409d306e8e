package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	tests := []struct {
		args string
		ok   bool
	}{
		{"", true},
		{"-servers subject,nethttp -connections 10 -hold 100ms", true},
		{"-servers cepoll", false},
		{"-servers nginx", false},
		{"-connections 0", false},
		{"-hold 0s", false},
		{"-hold 1h", false},
		{"-server-cpu -1", false},
		{"subject", false},
	}
	for _, tt := range tests {
		if _, err := parseFlags(strings.Fields(tt.args), io.Discard); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
}

func TestPipelinedRequestsFitTheirSize(t *testing.T) {
	one := len("GET /user/0" + host)
	for _, size := range []int{0, one - 1, one, 10*one - 1, 10 * one, 1 << 20} {
		requests, count := pipelined(size)
		if got := strings.Count(string(requests), "GET /user/"); got != count || len(requests) > size || len(requests) < size-one-10 {
			t.Errorf("size %d: %d bytes, %d requests, said to be %d", size, len(requests), got, count)
		}
		if last := "/user/" + strconv.Itoa(count-1) + host; count > 0 && !strings.HasSuffix(string(requests), last) {
			t.Errorf("size %d: does not end in %q", size, last)
		}
	}
}

func answer(status, body string) string {
	return "HTTP/1.1 " + status + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func TestInOrder(t *testing.T) {
	ok := func(body string) string { return answer("200 OK", body) }
	tests := []struct{ name, answers, want string }{
		{"all", ok("0") + ok("1") + ok("2"), "all 3 in order"},
		{"swapped", ok("0") + ok("2") + ok("1"), `out of order: answer 1 is "2"`},
		{"one missing", ok("0") + ok("1"), "2 of 3, then the connection was closed"},
		{"one cut", ok("0") + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1", "1 of 3, then the connection was closed"},
		{"refused", ok("0") + answer("503 Service Unavailable", ""), "1 of 3, then status 503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := inOrder(bufio.NewReader(strings.NewReader(tt.answers)), 3); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestImpatientTellsSilenceFromSlowness(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	_, err := impatient{a, time.Now()}.Read(make([]byte, 1))
	if err == nil || reason(err) != errTooSlow.Error() {
		t.Errorf("past the end: %v", err)
	}
	if got := reason(os.ErrDeadlineExceeded); got != silence {
		t.Errorf("a read that timed out: %q", got)
	}
}

func TestHeard(t *testing.T) {
	left := time.Unix(100, 0)
	tests := []struct {
		name    string
		report  endpoint.WaitsReport
		stalled bool
		want    string
	}{
		{"at once", endpoint.WaitsReport{Cancelled: 1, LastAt: left.Add(1500 * time.Microsecond)}, false, "1.5 ms"},
		{"before close returned", endpoint.WaitsReport{Cancelled: 1, LastAt: left.Add(-time.Microsecond)}, false, "0.0 ms"},
		{"never", endpoint.WaitsReport{Started: 1, Ended: 1}, false, "never"},
		{"on the loop", endpoint.WaitsReport{Started: 1, Ended: 1}, true, "never; nobody else was served while the handler waited"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := heard(tt.report, left, tt.stalled); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestGets(t *testing.T) {
	tests := []struct {
		name   string
		answer launch.Answer
		err    error
		want   string
	}{
		{"an answer", launch.Answer{Status: 500}, nil, "500 Internal Server Error"},
		{"a close", launch.Answer{}, io.ErrUnexpectedEOF, "no answer: the connection was closed"},
		{"nothing", launch.Answer{}, os.ErrDeadlineExceeded, "no answer within 5s"},
		{"nonsense", launch.Answer{}, errors.New("malformed"), "no answer: malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := gets(tt.answer, tt.err); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// The measurements find what is known of these servers.
func TestKnownBehaviour(t *testing.T) {
	tests := []struct{ server, leaves, panics string }{
		{"subject", " ms", "500 Internal Server Error; the process lives"},
		{"nethttp", " ms", "no answer: the connection was closed; the process lives"},
		{"fasthttp", "never", "no answer: the connection was closed; the process dies"},
	}
	dir := t.TempDir()
	for _, tt := range tests {
		t.Run(tt.server, func(t *testing.T) {
			chosen, err := peers.Parse(tt.server)
			if err != nil {
				t.Fatal(err)
			}
			program, err := launch.Build(t.Context(), dir, chosen[0])
			if err != nil {
				t.Fatal(err)
			}
			s, err := launch.Start(t.Context(), chosen[0], program, launch.AnyCPU)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			_, answers, err := stuckClient(t.Context(), s, 1<<20, time.Millisecond)
			if _, count := pipelined(1 << 20); err != nil || answers != "all "+strconv.Itoa(count)+" in order" {
				t.Errorf("stuck client: %q, %v", answers, err)
			}
			if _, _, err := idleConnections(t.Context(), s, 50); err != nil {
				t.Error(err)
			}
			if got, err := clientLeaves(t.Context(), s); err != nil || !strings.HasSuffix(got, tt.leaves) {
				t.Errorf("client leaves: %q, %v; want %q", got, err, tt.leaves)
			}
			if got, err := handlerPanics(t.Context(), s); err != nil || got != tt.panics {
				t.Errorf("handler panics: %q, %v; want %q", got, err, tt.panics)
			}
		})
	}
}
