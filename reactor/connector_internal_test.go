package reactor

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	cases := []struct {
		name        string
		least, most time.Duration
		want        []time.Duration // the top of each range; its bottom is half of it
	}{
		{"doubles up to the cap", 100 * ms, 1000 * ms, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms}},
		{"starts at the cap", 100 * ms, 100 * ms, []time.Duration{100 * ms, 100 * ms}},
		{"never passes the cap", 300 * ms, 100 * ms, []time.Duration{100 * ms, 100 * ms}},
		{"no delay", 0, 0, []time.Duration{0, 0}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			distinct := make(map[time.Duration]bool)
			for range 200 {
				b := Backoff{Least: tc.least, Most: tc.most}
				for i, top := range tc.want {
					got := b.Next()
					if got < top/2 || got > top {
						t.Fatalf("delay %d: %v, want %v to %v", i, got, top/2, top)
					}
					if i == 0 {
						distinct[got] = true
					}
				}
				b.Reset()
				if got := b.Next(); got > tc.want[0] {
					t.Fatalf("after reset: %v, want at most %v", got, tc.want[0])
				}
			}
			if tc.want[0] > 0 && len(distinct) < 100 {
				t.Errorf("200 clients share %d delays: no jitter", len(distinct))
			}
		})
	}
}

// TestConnectorFindsItself: a socket that is bound to the port to which it connects
// meets itself (RFC 9293 section 3.5, simultaneous open), and no server is there.
func TestConnectorFindsItself(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		addr := InetAddressFrom(netip.AddrPortFrom(netip.MustParseAddr(host), 0))
		socket, err := NewStreamSocket(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		if err := socket.Bind(addr); err != nil {
			t.Fatal(err)
		}
		addr = socket.LocalAddr()
		if err := socket.Connect(addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			t.Fatal(err)
		}
		c := &Connector{addr: addr, socket: socket}
		if err := c.verify(); !errors.Is(err, ErrSelfConnect) {
			t.Errorf("%v: %v, want ErrSelfConnect", addr, err)
		}
	}
}
