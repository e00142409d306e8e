package middleware

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

func combined(t *testing.T, derive func(slog.Handler) slog.Handler, msg string, attrs ...slog.Attr) string {
	t.Helper()
	var out bytes.Buffer
	var h slog.Handler = NewCombinedHandler(&out, nil)
	if derive != nil {
		h = derive(h)
	}
	r := slog.NewRecord(noon, slog.LevelInfo, msg, 0)
	r.AddAttrs(attrs...)
	if err := h.Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func combinedAttrs(client, proto, referer, agent string) []slog.Attr {
	return append(requestAttrs("/a?b=c"), slog.String("client", client), slog.String("proto", proto),
		slog.String("referer", referer), slog.String("user_agent", agent))
}

func TestCombinedHandler(t *testing.T) {
	const head = " - - [31/Jan/2026:12:00:00 +0000] "
	for _, tc := range []struct {
		name  string
		attrs []slog.Attr
		want  string
	}{
		{"all", combinedAttrs("198.51.100.1", "HTTP/1.0", "https://e.example/", "curl/8.5 (x)"),
			"198.51.100.1" + head + `"GET /a?b=c HTTP/1.0" 200 5120 "https://e.example/" "curl/8.5 (x)"`},
		{"what Log gives without its option", requestAttrs("/a"), "192.0.2.7" + head + `"GET /a" 200 5120 "-" "-"`},
		{"refused", refusedAttrs("malformed request line"), "192.0.2.7" + head + `"-" 400 - "-" "-"`},
		{"IPv6", append(requestAttrs("/"), slog.String("remote", "[2001:db8::1]:80")), "2001:db8::1" + head + `"GET /" 200 5120 "-" "-"`},
		{"Unix socket", append(requestAttrs("/"), slog.String("remote", "/run/a b.sock")), `/run/a\x20b.sock` + head + `"GET /" 200 5120 "-" "-"`},
		{"no address", append(requestAttrs("/"), slog.String("remote", "")), "-" + head + `"GET /" 200 5120 "-" "-"`},
		{"no bytes", append(requestAttrs("/"), slog.Int64("bytes", 0)), "192.0.2.7" + head + `"GET /" 200 - "-" "-"`},
		{"forged", combinedAttrs("1.1.1.1 - -", `"`, "a\n1.2.3.4 - -", `\" "-`),
			`1.1.1.1\x20-\x20-` + head + `"GET /a?b=c \"" 200 5120 "a\x0a1.2.3.4 - -" "\\\" \"-"`},
		{"forged target", requestAttrs("/\" 200 1\r\n\x1b[2J"), "192.0.2.7" + head + `"GET /\" 200 1\x0d\x0a\x1b[2J" 200 5120 "-" "-"`},
		{"no place for it", append(requestAttrs("/"), slog.String("id", "7"), slog.Group("g", slog.String("referer", "x"))),
			"192.0.2.7" + head + `"GET /" 200 5120 "-" "-"`},
	} {
		if got := combined(t, nil, "request", tc.attrs...); got != tc.want+"\n" {
			t.Errorf("%s:\ngot  %q\nwant %q", tc.name, got, tc.want+"\n")
		}
	}
}

func TestCombinedHandlerOtherRecords(t *testing.T) {
	if got := combined(t, nil, "stopping", slog.Int("connections", 3)); got != "" {
		t.Errorf("%q", got)
	}
	h := NewCombinedHandler(&bytes.Buffer{}, slog.LevelWarn)
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("want Warn and above")
	}
}

func TestCombinedHandlerDerived(t *testing.T) {
	got := combined(t, func(h slog.Handler) slog.Handler {
		base := h.WithAttrs([]slog.Attr{slog.String("client", "198.51.100.9")})
		_ = base.WithAttrs([]slog.Attr{slog.String("referer", "of a sibling")})
		return base.WithGroup("g").WithAttrs([]slog.Attr{slog.String("user_agent", "x"), slog.Int("status", 1)})
	}, "request", requestAttrs("/")...)
	if want := "198.51.100.9 - - [31/Jan/2026:12:00:00 +0000] \"GET /\" 200 5120 \"-\" \"x\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever a record holds, its line is one line that reads as the format says.
func FuzzCombinedHandler(f *testing.F) {
	f.Add("192.0.2.7", "/a", "https://e.example/", "curl/8.5")
	f.Add("a b\n", "/\" 200", "\\", "\x00\u202e\xff\"")
	shape := regexp.MustCompile(`^\S+ - - \[[^]]*\] "([^"\\]|\\.)*" 200 7 "([^"\\]|\\.)*" "([^"\\]|\\.)*"$`)
	f.Fuzz(func(t *testing.T, client, target, referer, agent string) {
		var out bytes.Buffer
		r := slog.NewRecord(time.Time{}, slog.LevelInfo, requestMessage, 0)
		r.AddAttrs(slog.String("client", client), slog.String("method", "GET"), slog.String("target", target), slog.Int("status", 200),
			slog.Int64("bytes", 7), slog.String("referer", referer), slog.String("user_agent", agent))
		if err := NewCombinedHandler(&out, nil).Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		line, ok := strings.CutSuffix(out.String(), "\n")
		if !ok || !shape.MatchString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q", out.String())
		}
	})
}
