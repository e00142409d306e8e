package middleware

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 7e6, time.UTC)

func line(t *testing.T, derive func(slog.Handler) slog.Handler, level slog.Level, msg string, attrs ...slog.Attr) string {
	t.Helper()
	var out bytes.Buffer
	var h slog.Handler = NewLineHandler(&out, nil)
	if derive != nil {
		h = derive(h)
	}
	r := slog.NewRecord(noon, level, msg, 0)
	r.AddAttrs(attrs...)
	if err := h.Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func requestAttrs(target string) []slog.Attr {
	return []slog.Attr{
		slog.String("remote", "192.0.2.7:53412"), slog.String("method", "GET"), slog.String("target", target),
		slog.Int("status", 200), slog.Int64("bytes", 5120), slog.Duration("duration", 412345),
	}
}

func refusedAttrs(reason string) []slog.Attr {
	return []slog.Attr{
		slog.String("remote", "192.0.2.7:53412"), slog.String("method", "-"), slog.String("target", "-"),
		slog.Int("status", 400), slog.String("reason", reason),
	}
}

func TestLineHandler(t *testing.T) {
	type group struct{ A int }
	tests := []struct {
		name   string
		derive func(slog.Handler) slog.Handler
		level  slog.Level
		msg    string
		attrs  []slog.Attr
		want   string
	}{
		{"request", nil, slog.LevelInfo, "request", requestAttrs("/a?b=c"), "192.0.2.7:53412 GET /a?b=c 200 5120B 412µs"},
		{"request with another attribute", nil, slog.LevelInfo, "request", append(requestAttrs("/"), slog.String("id", "x y")), `192.0.2.7:53412 GET / 200 5120B 412µs id="x y"`},
		{"refused", nil, slog.LevelInfo, "request", refusedAttrs("malformed request line"), `192.0.2.7:53412 - - 400 "malformed request line"`},
		{"refused, forged", nil, slog.LevelInfo, "request", refusedAttrs("a\" \x1b\r\n2026 \\\" x"), `192.0.2.7:53412 - - 400 "a\" \x1b\x0d\x0a2026 \\\" x"`},
		{"refused, one word", nil, slog.LevelInfo, "request", refusedAttrs("timeout"), `192.0.2.7:53412 - - 400 timeout`},
		{"refused, no word", nil, slog.LevelInfo, "request", refusedAttrs(""), `192.0.2.7:53412 - - 400 ""`},
		{"reason of another record", nil, slog.LevelInfo, "m", []slog.Attr{slog.String("reason", "a b")}, `m reason="a b"`},
		{"request, blanks and quotes", nil, slog.LevelInfo, "request", requestAttrs(`/a" 200 "`), `192.0.2.7:53412 GET "/a\" 200 \"" 200 5120B 412µs`},
		{"quotes within a word", nil, slog.LevelInfo, "m", []slog.Attr{slog.String("a", `x"y`), slog.String("b", `"`)}, `m a=x"y b="\""`},
		{"request, control bytes", nil, slog.LevelInfo, "request", requestAttrs("/\x1b[2J\r\n\x00\x7f"), `192.0.2.7:53412 GET /\x1b[2J\x0d\x0a\x00\x7f 200 5120B 412µs`},
		{"message", nil, slog.LevelInfo, "stopping", []slog.Attr{slog.Int("connections", 3)}, "stopping connections=3"},
		{"level", nil, slog.LevelWarn, "odd", nil, "WARN odd"},
		{"message, forged line", nil, slog.LevelInfo, "a\n2026 GET /", nil, `a\x0a2026 GET /`},
		{"C1 control and direction marks", nil, slog.LevelInfo, "a\u009b2J \u202eb é 鐘", nil, `a\u009b2J \u202eb é 鐘`},
		{"invalid UTF-8", nil, slog.LevelInfo, "a\xffb", nil, `a\xffb`},
		{"backslash is escaped, so that what is escaped can be told from what was sent", nil, slog.LevelInfo, `\x1b`, nil, `\\x1b`},
		{"error value", nil, slog.LevelError, "failed", []slog.Attr{slog.Any("err", errors.New("no such\nfile"))}, `ERROR failed err="no such\x0afile"`},
		{"key", nil, slog.LevelInfo, "m", []slog.Attr{slog.Bool("a b\n", true)}, `m a\x20b\x0a=true`},
		{"time and unsigned", nil, slog.LevelInfo, "m", []slog.Attr{slog.Time("t", noon), slog.Uint64("u", 7)}, "m t=2026-01-31T12:00:00.007Z u=7"},
		{"group", nil, slog.LevelInfo, "m", []slog.Attr{slog.Group("g", slog.Int("a", 1), slog.Group("h", slog.Int("b", 2)))}, "m g.a=1 g.h.b=2"},
		{"empty attribute", nil, slog.LevelInfo, "m", []slog.Attr{{}}, "m"},
		{"struct", nil, slog.LevelInfo, "m", []slog.Attr{slog.Any("s", group{1})}, "m s={1}"},
		{"WithAttrs and WithGroup", func(h slog.Handler) slog.Handler {
			return h.WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("g").WithAttrs([]slog.Attr{slog.Int("b", 2)})
		}, slog.LevelInfo, "m", []slog.Attr{slog.Int("c", 3)}, "m a=1 g.b=2 g.c=3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := line(t, tt.derive, tt.level, tt.msg, tt.attrs...)
			if want := "2026-01-31 12:00:00.007 " + tt.want + "\n"; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// Handlers derived from one another must not write into each other's prefix.
func TestLineHandlerDerivedHandlersAreIndependent(t *testing.T) {
	var out bytes.Buffer
	base := NewLineHandler(&out, nil).WithAttrs([]slog.Attr{slog.Int("a", 1)})
	one := base.WithAttrs([]slog.Attr{slog.Int("b", 2)})
	two := base.WithAttrs([]slog.Attr{slog.Int("c", 3)})
	for _, h := range []slog.Handler{one, two} {
		if err := h.Handle(context.Background(), slog.NewRecord(time.Time{}, slog.LevelInfo, "m", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := out.String(), "m a=1 b=2\nm a=1 c=3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLineHandlerEnabled(t *testing.T) {
	h := NewLineHandler(&bytes.Buffer{}, slog.LevelWarn)
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("want Warn and above")
	}
}

// Whatever a record holds, its line is one line of printable text, and its values
// come back from it.
func FuzzLineHandler(f *testing.F) {
	f.Add("stopping", "key", "a value")
	f.Add("request", "reason", "malformed \"line\" \\")
	f.Add("request", "target", "\x1b[2J\r\n\x00\x7f\u202e\xff")
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		var out bytes.Buffer
		r := slog.NewRecord(time.Time{}, slog.LevelInfo, msg, 0)
		r.AddAttrs(slog.String(key, value), slog.Int("last", 1))
		if err := NewLineHandler(&out, nil).Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		got, ok := strings.CutSuffix(out.String(), " last=1\n")
		if !ok || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q", out.String())
		}
		if msg != requestMessage || key != keyReason {
			return
		}
		if !strings.HasPrefix(got, `"`) {
			got = `"` + strings.ReplaceAll(got, `"`, `\"`) + `"`
		}
		if back, err := strconv.Unquote(got); err != nil || back != value {
			t.Fatalf("%q became %s, which is %q, %v", value, got, back, err)
		}
	})
}

func TestRoundDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999: "999ns", 1234: "1.23µs", 412345: "412µs", 12345678: "12.3ms", 1500 * time.Millisecond: "1.5s", 3723456 * time.Millisecond: "1h2m0s",
	} {
		if got := roundDuration(d).String(); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b?c=%1B":    "/a/b?c=%1B",
		"/\x1b[2J":      "/%1B[2J",
		"\x00 \x7f\xff": "%00%20%7F%FF",
		"/é":            "/%C3%A9",
		"":              "",
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %q, want %q", in, got, want)
		}
	}
	clean := strings.Repeat("/folder", 20)
	if n := testing.AllocsPerRun(100, func() { visible(clean) }); n != 0 {
		t.Errorf("%v allocations for a target that needs no escape", n)
	}
}

func BenchmarkLineHandler(b *testing.B) {
	h := NewLineHandler(writerFunc(func(p []byte) (int, error) { return len(p), nil }), nil)
	r := slog.NewRecord(noon, slog.LevelInfo, "request", 0)
	r.AddAttrs(requestAttrs("/static/picture.png?size=large")...)
	b.ReportAllocs()
	for b.Loop() {
		_ = h.Handle(context.Background(), r)
	}
}
