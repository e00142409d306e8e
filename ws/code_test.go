package ws

import (
	"strings"
	"testing"
)

func TestCodeSendable(t *testing.T) {
	for _, r := range []struct {
		from, to Code
		want     bool
	}{
		{0, 999, false}, {1000, 1003, true}, {1004, 1006, false}, {1007, 1014, true},
		{1015, 2999, false}, {3000, 4999, true}, {5000, 65535, false},
	} {
		for c := int(r.from); c <= int(r.to); c++ {
			if Code(c).Sendable() != r.want {
				t.Errorf("Code(%d).Sendable() = %v", c, !r.want)
			}
		}
	}
}

func TestCodeString(t *testing.T) {
	for c, want := range map[Code]string{1000: "1000 normal closure", 1006: "1006 abnormal closure", 4321: "4321"} {
		if got := c.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCloseBody sends every kind of close body through to the reader of it.
func TestCloseBody(t *testing.T) {
	for _, c := range []struct {
		code   Code
		reason string
	}{{1000, ""}, {4999, "ciao"}, {1011, strings.Repeat("x", maxReason)}, {CodeNoStatus, ""}} {
		body := appendCloseBody(nil, c.code, c.reason)
		if code, reason, err := parseCloseBody(body); code != c.code || reason != c.reason || err != nil {
			t.Errorf("%v came back as %d %q %v", c, code, reason, err)
		}
	}
}
