package natsbroker

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// odd are topics that are no subjects.
var odd = []string{"a.b", "a*", ">", "a >b", " ", "\r\n", "\x00", "=", "=2E", "é", "\xff", "..", "$SYS", "~", strings.Repeat("x", 5000), strings.Repeat(".", 70)}

func TestToken(t *testing.T) {
	for topic, want := range map[string]string{
		"room-1_A": "room-1_A", "a.b": "a=2Eb", "=2E": "=3D2E", "*": "=2A", "é": "=C3=A9", "\x00": "=00",
		strings.Repeat("x", 200): strings.Repeat("x", 200),
	} {
		if got := token(topic); got != want {
			t.Errorf("%q is %q, want %q", topic, got, want)
		}
	}
	seen := make(map[string]string)
	for _, topic := range append(odd, strings.Repeat("x", 5001), strings.Repeat(".", 71)) {
		k := token(topic)
		if !server.IsValidLiteralSubject("p.t."+k) || strings.Contains(k, ".") || len(k) > maxToken {
			t.Errorf("%.20q is %q", topic, k)
		}
		if other, was := seen[k]; was {
			t.Errorf("%.20q and %.20q are both %q", topic, other, k)
		}
		seen[k] = topic
	}
}

func FuzzToken(f *testing.F) {
	for _, topic := range odd {
		f.Add(topic, topic+".")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ka, kb := token(a), token(b)
		if a != "" && (!server.IsValidLiteralSubject("p.t."+ka) || strings.Contains(ka, ".") || len(ka) > maxToken) {
			t.Errorf("%q is %q", a, ka)
		}
		if (ka == kb) != (a == b) {
			t.Errorf("%q is %q, %q is %q", a, ka, b, kb)
		}
	})
}

func TestPrefix(t *testing.T) {
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a b", "a.*", ">"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("prefix %q", bad)
				}
			}()
			WithPrefix(bad)
		}()
	}
	if c := configure([]Option{WithPrefix("shop.chat-1")}); c.prefix != "shop.chat-1" {
		t.Error(c.prefix)
	}
}
