package syntax

import (
	"slices"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []string
	}{
		{"", nil},
		{"a", []string{"a"}},
		{"foo ,bar,charlie", []string{"foo", "bar", "charlie"}}, // these two of RFC 9110 section 5.6.1.2
		{", ,\tfoo ,bar,", []string{"foo", "bar"}},
		{" \t, ,,", nil},
		{"a b", []string{"a b"}},
		{"\u00a0a", []string{"\u00a0a"}},
		{`no-cache="Set-Cookie, no-store", max-age=1`, []string{`no-cache="Set-Cookie, no-store"`, "max-age=1"}},
		{`"a,b","c"`, []string{`"a,b"`, `"c"`}},
		{`"a\",b",c`, []string{`"a\",b"`, "c"}},
		{`"a\\",b`, []string{`"a\\"`, "b"}},
		{`a\",b",c`, []string{`a\",b"`, "c"}}, // a backslash outside of quotes is none
		{`a",b`, []string{`a"`, "b"}},
		{`"a\",b`, []string{`"a\"`, "b"}},
		{`"a\`, []string{`"a\`}},
		{`"`, []string{`"`}},
	} {
		if got := slices.Collect(Elements(tc.line)); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.line, got, tc.want)
		}
	}
	for element := range Elements("a,b") {
		if element != "a" {
			t.Errorf("goes on with %q", element)
		}
		break
	}
}

// Each quote of this line could be looked through to its end for another that closes it.
func TestManyQuotesThatNothingCloses(t *testing.T) {
	line := `"` + strings.Repeat(`\"`, 1<<20) + `,a`
	if got := slices.Collect(Elements(line)); len(got) != 2 || got[1] != "a" {
		t.Errorf("%d elements", len(got))
	}
}

// Whatever the line, nothing of it is lost but commas, blanks and tabs, and an element has a comma only between quotes.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{"a, b", `a="b, c", d`, `"\"`, ",\t,", `a",b"`} {
		f.Add(seed)
	}
	bare := strings.NewReplacer(",", "", " ", "", "\t", "")
	f.Fuzz(func(t *testing.T, line string) {
		var all strings.Builder
		for element := range Elements(line) {
			all.WriteString(bare.Replace(element))
			switch {
			case element == "", element != TrimOWS(element):
				t.Errorf("%q has the element %q", line, element)
			case strings.Contains(element, ",") && strings.Count(element, `"`) < 2:
				t.Errorf("%q has the element %q", line, element)
			}
		}
		if all.String() != bare.Replace(line) {
			t.Errorf("%q became %q", line, all.String())
		}
		if !strings.Contains(line, `"`) {
			var want []string
			for s := range strings.SplitSeq(line, ",") {
				if s = TrimOWS(s); s != "" {
					want = append(want, s)
				}
			}
			if got := slices.Collect(Elements(line)); !slices.Equal(got, want) {
				t.Errorf("%q: %q, want %q", line, got, want)
			}
		}
	})
}
