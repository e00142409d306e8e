package http

import (
	"bufio"
	"bytes"
	"io"
	nethttp "net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func seedCorpus(f *testing.F) {
	for _, tc := range refusedInputs {
		f.Add([]byte(tc.in))
	}
	for _, tc := range acceptedInputs {
		f.Add([]byte(tc.in))
	}
}

// fuzzLimits are small, so that the fuzzer finds them.
var fuzzLimits = Limits{MaxURI: 64, MaxHeader: 256, MaxFields: 8, MaxBody: 64}

// FuzzSplit: how the network cut the bytes into reads must not change what they mean.
func FuzzSplit(f *testing.F) {
	seedCorpus(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 2048 {
			return
		}
		for _, lim := range []Limits{{}, fuzzLimits} {
			whole, code := readRequests(t, lim, in)
			bytes, bytesCode := readRequests(t, lim, bytewise(in)...)
			if code != bytesCode || !reflect.DeepEqual(whole, bytes) {
				t.Fatalf("whole: %d %+v\nbyte by byte: %d %+v", code, whole, bytesCode, bytes)
			}
			for i := 1; i < len(in); i += 1 + len(in)/40 {
				cut, cutCode := readRequests(t, lim, in[:i], in[i:])
				if code != cutCode || !reflect.DeepEqual(whole, cut) {
					t.Fatalf("whole: %d %+v\ncut at %d: %d %+v", code, whole, i, cutCode, cut)
				}
			}
		}
	})
}

// FuzzNetHTTP: whatever we take, net/http takes too, and understands as the same request. The exceptions:
//
//   - An empty line ahead of a request, which RFC 9112 section 2.2 asks a server to skip and net/http refuses: cut off.
//   - HTTP/1.0 without keep-alive, which net/http finds to be the last request only when it answers: not compared.
//   - Lines that net/http moves out of its map of fields (Host, Transfer-Encoding, Trailer): compared by what they do.
func FuzzNetHTTP(f *testing.F) {
	seedCorpus(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		ours, _ := readRequests(t, Limits{}, in)
		rest := bufio.NewReader(bytes.NewReader(in))
		for i, our := range ours {
			if b, _ := rest.Peek(2); string(b) == "\r\n" {
				_, _ = rest.Discard(2)
			}
			their, err := nethttp.ReadRequest(rest)
			if err != nil {
				t.Fatalf("request %d, %+v, is refused by net/http: %v", i, our, err)
			}
			body, err := io.ReadAll(their.Body)
			if err != nil {
				t.Fatalf("request %d: net/http refuses its body: %v", i, err)
			}
			compare(t, our, their, string(body))
		}
	})
}

func compare(t *testing.T, our seen, their *nethttp.Request, body string) {
	t.Helper()
	path := their.URL.Path
	if our.Method != their.Method || our.Path != path || our.Query != their.URL.RawQuery || our.Body != body {
		t.Fatalf("ours %+v\ntheirs %s %q %q body %q", our, their.Method, path, their.URL.RawQuery, body)
	}
	if our.Host != their.Host {
		t.Fatalf("host: ours %q, theirs %q", our.Host, their.Host)
	}
	if their.Close && !our.Close {
		t.Fatalf("net/http closes behind %+v", our)
	}
	for _, line := range our.Fields {
		name, value, _ := strings.Cut(line, ": ")
		switch strings.ToLower(name) {
		case "host", "transfer-encoding", "trailer":
			continue
		}
		found := false
		for theirName, values := range their.Header {
			found = found || strings.EqualFold(name, theirName) && slices.Contains(values, value)
		}
		if !found {
			t.Fatalf("line %q is not among net/http's: %v", line, their.Header)
		}
	}
	for _, line := range our.Trailer {
		name, value, _ := strings.Cut(line, ": ")
		if !slices.Contains(their.Trailer.Values(name), value) {
			t.Fatalf("trailer %q is not among net/http's: %v", line, their.Trailer)
		}
	}
}

// FuzzSkipText: eight bytes at a time come to the same end as one.
func FuzzSkipText(f *testing.F) {
	f.Add([]byte("plain text\twith a tab"), 0)
	f.Add([]byte("0123456\x7f9\x00"), 1)
	f.Fuzz(func(t *testing.T, in []byte, from int) {
		if from < 0 || from > len(in) {
			return
		}
		want := from
		for want < len(in) && (in[want] >= 0x20 && in[want] != 0x7f || in[want] == '\t') {
			want++
		}
		if got := skipText(in, from); got != want {
			t.Fatalf("skipText(%q, %d) = %d, want %d", in, from, got, want)
		}
	})
}
