package fleet

import (
	"strings"
	"testing"
)

func TestEachServerBeginsARound(t *testing.T) {
	list := []string{"a", "b", "c"}
	for round, want := range []string{"abc", "bac", "cab", "acb", "bca"} {
		if got := strings.Join(InTurn(list, round), ""); got != want {
			t.Errorf("round %d: %s, want %s", round, got, want)
		}
	}
}
