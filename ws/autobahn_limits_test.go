package ws_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/ws"
)

func TestAutobahnLimits(t *testing.T)       { runAutobahn(t, limitCases()) }
func TestAutobahnAutoFragment(t *testing.T) { runAutobahn(t, autoFragmentCases()) }

const kib, mib = 1 << 10, 1 << 20

// limitCases are 9. Odd sections are of texts, even ones of binaries. Unlike
// Autobahn, which looks at the length of what comes back, these compare it. Under the
// race detector messages of MiBs are a quarter as long, but for one of 16 MiB, which
// is the limit by default.
func limitCases() []autobahnCase {
	var all []autobahnCase
	long := mib
	if ws.UnderRace() {
		long /= 4
	}
	add := func(section, i int, what string, steps ...step) {
		all = append(all, autobahn(fmt.Sprintf("9.%d.%d %s", section, i+1, what), append(steps, bye)...))
	}
	message := func(section, n int) frame {
		if section%2 == 1 {
			return text(repeated("BAsd7&jh23", n))
		}
		return binaryOf(repeated("\x00\xfe\x23\xfa\xf0", n))
	}
	for _, section := range []int{1, 2} {
		longest := 16 * long
		if section == 2 {
			longest = 16 * mib
		}
		for i, n := range []int{64 * kib, 256 * kib, mib, 4 * long, 8 * long, longest} {
			add(section, i, size(n), lazily(func() []step {
				f := message(section, n)
				return []step{send(f), echo(f.op, f.payload)}
			}))
		}
	}
	for _, section := range []int{3, 4} {
		for i, n := range []int{64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, long, 4 * long} {
			add(section, i, size(4*long)+" in fragments of "+size(n), lazily(func() []step {
				f := message(section, 4*long)
				return []step{send(fragments(f, n)...), echo(f.op, f.payload)}
			}))
		}
	}
	for _, section := range []int{5, 6} {
		for i, n := range []int{64, 128, 256, 512, kib, 2 * kib} {
			add(section, i, size(mib)+" in chops of "+size(n), lazily(func() []step {
				f := message(section, mib)
				return []step{chop(n, f), echo(f.op, f.payload)}
			}))
		}
	}
	for _, section := range []int{7, 8} {
		for i, n := range []int{0, 16, 64, 256, kib, 4 * kib} {
			add(section, i, "round trips of "+size(n), roundTrips(message(section, n)))
		}
	}
	return all
}

// trips is how often the cases 9.7 and 9.8 send their message. Autobahn does so
// 1,000 times, to measure; what can go wrong shows sooner.
const trips = 200

func roundTrips(f frame) step {
	return func(p *peer) {
		p.t.Helper()
		wire := f.wire()
		for range trips {
			p.write(wire)
			p.wantFrame(f.op, f.payload)
		}
	}
}

// autoFragmentCases is 10.1.1.
func autoFragmentCases() []autobahnCase {
	f := text(strings.Repeat("*", 65536))
	return []autobahnCase{autobahn("10.1.1 65536 bytes in fragments of 1300", func(p *peer) {
		frames := fragments(f, 1300)
		if len(frames) != 51 {
			p.t.Fatal(len(frames), "frames")
		}
		p.write(wires(frames))
	}, echo(opText, f.payload), bye)}
}

// lazily makes its steps when they are due, so that a table of large messages
// does not hold them all.
func lazily(steps func() []step) step {
	return func(p *peer) {
		p.t.Helper()
		for _, s := range steps() {
			s(p)
		}
	}
}

// repeated is pattern over and over, n bytes in all.
func repeated(pattern string, n int) string {
	return strings.Repeat(pattern, n/len(pattern)+1)[:n]
}

func size(n int) string {
	switch {
	case n >= mib:
		return fmt.Sprintf("%d MiB", n/mib)
	case n >= kib:
		return fmt.Sprintf("%d KiB", n/kib)
	}
	return fmt.Sprintf("%d bytes", n)
}
