package members

import (
	"slices"
	"testing"
)

func TestSet(t *testing.T) {
	var s Set[string]
	check := func(when string, want ...string) {
		t.Helper()
		var got []string
		s.Each(func(c string) { got = append(got, c) })
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("at first")
	s.Remove("a")
	s.Add("a")
	s.Add("b")
	s.Add("a")
	check("after three times Add", "a", "b")
	s.Each(s.Remove) // those who leave while they are visited
	check("when all have left")
	s.Add("c")
	check("and one has come", "c")
}
