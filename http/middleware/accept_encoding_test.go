package middleware

import (
	"strconv"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

var allCodings = []coding{brotliCoding, zstdCoding, gzipCoding}

func accepting(lines ...string) acceptEncoding {
	a := newAcceptEncoding()
	for _, line := range lines {
		for element := range syntax.Elements(line) {
			a.add(element)
		}
	}
	return a
}

// RFC 9110 section 12.5.3.
func TestAcceptEncoding(t *testing.T) {
	for _, tc := range []struct {
		name, lines string
		want        coding
		refused     bool // identity is
	}{
		{"no line", "-", identity, false},
		{"empty", "", identity, false},
		{"one", "gzip", gzipCoding, false},
		{"what browsers send", "gzip, deflate, br, zstd", brotliCoding, false},
		{"server's order among equals", "gzip;q=0.5, zstd;q=0.5", zstdCoding, false},
		{"client's preference", "br;q=0.8, gzip;q=0.9", gzipCoding, false},
		{"a thousandth more", "br;q=0.998, gzip;q=0.999", gzipCoding, false},
		{"q=0 is a refusal", "br;q=0, gzip", gzipCoding, false},
		{"q=0.000 as well", "br;q=0.000", identity, false},
		{"all weights at zero", "br;q=0, gzip;q=0.0, zstd;q=0", identity, false},
		{"any", "*", brotliCoding, false},
		{"any but one", "br;q=0, *", zstdCoding, false},
		{"any at less", "gzip, *;q=0.5", gzipCoding, false},
		{"any refused", "gzip, *;q=0", gzipCoding, true},
		{"nothing at all", "*;q=0", identity, true},
		{"nothing but identity", "identity, *;q=0", identity, false},
		{"identity refused", "identity;q=0, gzip;q=0.1", gzipCoding, true},
		{"identity refused, nothing else named", "identity;q=0", identity, true},
		{"identity refused, any", "identity;q=0, *", brotliCoding, true},
		{"identity preferred", "identity;q=1, gzip;q=0.5", identity, false},
		{"identity among equals", "identity, gzip", gzipCoding, false},
		{"identity below", "identity;q=0.5, gzip;q=1.0", gzipCoding, false},
		{"unknown", "deflate, compress", identity, false},
		{"case", "GZip;Q=0.5", gzipCoding, false},
		{"x-gzip", "x-gzip", gzipCoding, false},
		{"blanks", "\t gzip \t;\t q=0.5\t,,", gzipCoding, false},
		{"two lines", "gzip;q=0.5|br", brotliCoding, false},
		{"the first of two counts", "gzip;q=0, gzip", identity, false},
		{"malformed weight says nothing", "gzip;q=2, br;q=1.001, zstd;q=0.1234", identity, false},
		{"malformed names", "gz ip, g\"zip\"", identity, false},
		{"malformed, the rest counts", "br;q=x, ;q=1, gzip", gzipCoding, false},
		{"other parameter", "br;level=5, gzip", gzipCoding, false},
		{"weight twice", "br;q=1;q=1, gzip", gzipCoding, false},
		{"no digit before the point", "gzip;q=.5", identity, false},
		{"point without digits", "gzip;q=1.", gzipCoding, false},
		{"minus", "gzip;q=-1", identity, false},
	} {
		a := accepting(strings.Split(tc.lines, "|")...)
		if tc.lines == "-" {
			a = accepting()
		}
		if got := a.choose(allCodings); got != tc.want || a.refusesIdentity() != tc.refused {
			t.Errorf("%s: %s, identity refused %v, want %s, %v", tc.name, codingNames[got], a.refusesIdentity(), codingNames[tc.want], tc.refused)
		}
	}
}

func TestAcceptEncodingOfFewerCodings(t *testing.T) {
	a := accepting("gzip, br")
	if got := a.choose([]coding{gzipCoding, brotliCoding}); got != gzipCoding {
		t.Error("not in the server's order")
	}
	if got := a.choose([]coding{zstdCoding}); got != identity {
		t.Error("one that the client has not named")
	}
}

// What is chosen is never what the client has refused, and weights are those that strconv reads.
func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"", "gzip", "gzip;q=0, *", "identity;q=0, br;q=0.001", "*;q=0", ";;,q=,=", "br;q=1.000", "zstd;q=0.9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a := accepting(line)
		for c, w := range a {
			if w != unnamed && (w < 0 || w > 1000) {
				t.Fatalf("%s weighs %d", codingNames[c], w)
			}
			if w > unnamed && !strings.Contains(strings.ToLower(line), codingNames[c]) {
				t.Fatalf("%s is named out of nothing", codingNames[c])
			}
		}
		chosen := a.choose(allCodings)
		if chosen != identity && a.weight(chosen) <= 0 {
			t.Fatalf("%s was refused, or not named", codingNames[chosen])
		}
		if again := accepting(line, line); again != a {
			t.Fatalf("a line that is repeated says something else: %v, %v", a, again)
		}
		if q, ok := parseWeight(line); ok {
			if want, err := strconv.ParseFloat(strings.TrimSuffix(line[2:], "."), 64); err != nil || int(want*1000+0.5) != q {
				t.Fatalf("%q weighs %d: %v, %v", line, q, want, err)
			}
		}
	})
}

func TestTypeSet(t *testing.T) {
	all, byDefault := newTypeSet([]string{"*/*"}), newTypeSet(CompressibleTypes)
	stream := newTypeSet([]string{"Text/Event-Stream"})
	for _, tc := range []struct {
		typ                     string
		byDefault, all, asEvent bool
	}{
		{"text/html; charset=utf-8", true, true, false},
		{"TEXT/HTML", true, true, false},
		{"application/json", true, true, false},
		{"application/problem+json", true, true, false},
		{"image/svg+xml", true, true, false},
		{"application/wasm", true, true, false},
		{"image/png", false, true, false},
		{"video/mp4", false, true, false},
		{"application/octet-stream", false, true, false},
		{"application/zip", false, true, false},
		{"text/event-stream", false, false, true},
		{"", false, false, false},
		{"json", false, true, false},
	} {
		if byDefault.has(tc.typ) != tc.byDefault || all.has(tc.typ) != tc.all || stream.has(tc.typ) != tc.asEvent {
			t.Errorf("%q: %v %v %v", tc.typ, byDefault.has(tc.typ), all.has(tc.typ), stream.has(tc.typ))
		}
	}
}
