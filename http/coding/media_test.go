package coding

import (
	"testing"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// RFC 9110 section 12.5.1.
func TestMediaWeight(t *testing.T) {
	for _, tc := range []struct {
		line        string
		thousandths int
		named       bool
	}{
		{"", 0, false},
		{"text/html", 1000, true},
		{"Text/HTML;Q=0.5", 500, true},
		{"text/html ; charset=utf-8 ; q=0.25", 250, true},
		{"text/html;q=0", 0, true},
		{"*/*", 1000, false},
		{"text/*;q=0.3, */*", 300, false},
		{"*/*;q=0.1, text/html;q=0.05, text/*;q=0.7", 50, true},
		{"text/html;q=0.1, text/html;q=0.2", 100, true},
		{"text/html;level=1, */*;q=0.4", 400, false},
		{"text/html;q=1.001, text/*;q=0.2", 200, false},
		{"text/html;q=, text/html; q=0.0001", 0, false},
		{"text/plain, image/*, texts/html", 0, false},
		{`"text/html`, 0, false},
	} {
		w := mediaWeight{mediaType: "text/html"}
		for element := range syntax.Elements(tc.line) {
			w.add(element)
		}
		if named := w.closeness == itself; w.thousandths != tc.thousandths || named != tc.named {
			t.Errorf("%q: %d, %v; want %d, %v", tc.line, w.thousandths, named, tc.thousandths, tc.named)
		}
	}
}

func FuzzMediaWeight(f *testing.F) {
	f.Add("text/html;q=0.5")
	f.Add("text/*;charset=x;q=1.000")
	f.Fuzz(func(t *testing.T, element string) {
		w := mediaWeight{mediaType: "text/html"}
		w.add(element)
		if w.thousandths < 0 || w.thousandths > 1000 || w.closeness == notCovered && w.thousandths != 0 {
			t.Errorf("%q: %+v", element, w)
		}
	})
}
