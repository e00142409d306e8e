package coding

import (
	"strconv"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

var allCodings = []Coding{Brotli, Zstd, Gzip}

func accepting(lines ...string) Accept {
	a := newAccept()
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
		want        Coding
		refused     bool // identity is
	}{
		{"no line", "-", Identity, false},
		{"empty", "", Identity, false},
		{"one", "gzip", Gzip, false},
		{"what browsers send", "gzip, deflate, br, zstd", Brotli, false},
		{"server's order among equals", "gzip;q=0.5, zstd;q=0.5", Zstd, false},
		{"client's preference", "br;q=0.8, gzip;q=0.9", Gzip, false},
		{"a thousandth more", "br;q=0.998, gzip;q=0.999", Gzip, false},
		{"q=0 is a refusal", "br;q=0, gzip", Gzip, false},
		{"q=0.000 as well", "br;q=0.000", Identity, false},
		{"all weights at zero", "br;q=0, gzip;q=0.0, zstd;q=0", Identity, false},
		{"any", "*", Brotli, false},
		{"any but one", "br;q=0, *", Zstd, false},
		{"any at less", "gzip, *;q=0.5", Gzip, false},
		{"any refused", "gzip, *;q=0", Gzip, true},
		{"nothing at all", "*;q=0", Identity, true},
		{"nothing but identity", "identity, *;q=0", Identity, false},
		{"identity refused", "identity;q=0, gzip;q=0.1", Gzip, true},
		{"identity refused, nothing else named", "identity;q=0", Identity, true},
		{"identity refused, any", "identity;q=0, *", Brotli, true},
		{"identity preferred", "identity;q=1, gzip;q=0.5", Identity, false},
		{"identity among equals", "identity, gzip", Gzip, false},
		{"identity below", "identity;q=0.5, gzip;q=1.0", Gzip, false},
		{"unknown", "deflate, compress", Identity, false},
		{"case", "GZip;Q=0.5", Gzip, false},
		{"x-gzip", "x-gzip", Gzip, false},
		{"blanks", "\t gzip \t;\t q=0.5\t,,", Gzip, false},
		{"two lines", "gzip;q=0.5|br", Brotli, false},
		{"the first of two counts", "gzip;q=0, gzip", Identity, false},
		{"malformed weight says nothing", "gzip;q=2, br;q=1.001, zstd;q=0.1234", Identity, false},
		{"malformed names", "gz ip, g\"zip\"", Identity, false},
		{"malformed, the rest counts", "br;q=x, ;q=1, gzip", Gzip, false},
		{"other parameter", "br;level=5, gzip", Gzip, false},
		{"weight twice", "br;q=1;q=1, gzip", Gzip, false},
		{"no digit before the point", "gzip;q=.5", Identity, false},
		{"point without digits", "gzip;q=1.", Gzip, false},
		{"minus", "gzip;q=-1", Identity, false},
	} {
		a := accepting(strings.Split(tc.lines, "|")...)
		if tc.lines == "-" {
			a = accepting()
		}
		if got := a.Choose(allCodings); got != tc.want || a.RefusesIdentity() != tc.refused {
			t.Errorf("%s: %s, identity refused %v, want %s, %v", tc.name, names[got], a.RefusesIdentity(), names[tc.want], tc.refused)
		}
	}
}

func TestAcceptEncodingOfFewerCodings(t *testing.T) {
	a := accepting("gzip, br")
	if got := a.Choose([]Coding{Gzip, Brotli}); got != Gzip {
		t.Error("not in the server's order")
	}
	if got := a.Choose([]Coding{Zstd}); got != Identity {
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
				t.Fatalf("%s weighs %d", names[c], w)
			}
			if w > unnamed && !strings.Contains(strings.ToLower(line), names[c]) {
				t.Fatalf("%s is named out of nothing", names[c])
			}
		}
		chosen := a.Choose(allCodings)
		if chosen != Identity && a.weight(chosen) <= 0 {
			t.Fatalf("%s was refused, or not named", names[chosen])
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
	all, byDefault := NewTypeSet([]string{"*/*"}), NewTypeSet(Compressible)
	stream := NewTypeSet([]string{"Text/Event-Stream"})
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
		if byDefault.Has(tc.typ) != tc.byDefault || all.Has(tc.typ) != tc.all || stream.Has(tc.typ) != tc.asEvent {
			t.Errorf("%q: %v %v %v", tc.typ, byDefault.Has(tc.typ), all.Has(tc.typ), stream.Has(tc.typ))
		}
	}
}
