package fleet

import (
	"strings"
	"testing"
)

func TestEachServerBeginsARound(t *testing.T) {
	list := []string{"a", "b", "c"}
	for round, want := range []string{"abc", "bca", "cab", "abc"} {
		if got := strings.Join(Rotate(list, round), ""); got != want {
			t.Errorf("round %d: %s, want %s", round, got, want)
		}
	}
}
