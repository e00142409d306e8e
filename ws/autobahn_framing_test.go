package ws_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestAutobahnFraming(t *testing.T)      { runAutobahn(t, framingCases()) }
func TestAutobahnPings(t *testing.T)        { runAutobahn(t, pingCases()) }
func TestAutobahnReservedBits(t *testing.T) { runAutobahn(t, reservedBitCases()) }
func TestAutobahnOpcodes(t *testing.T)      { runAutobahn(t, opcodeCases()) }

// binaryBytes is Autobahn's payload that is no UTF-8.
const binaryBytes = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"

const hello = "Hello, world!"

// framingCases are 1.1, texts, and 1.2, binaries, of the lengths at which the
// form of the length changes.
func framingCases() []autobahnCase {
	var all []autobahnCase
	for section, of := range []func(string) frame{text, binaryOf} {
		for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
			f := of(strings.Repeat([]string{"*", "\xfe"}[section], n))
			name := fmt.Sprintf("1.%d.%d %d bytes", section+1, i+1, n)
			all = append(all, autobahn(name, send(f), echo(f.op, f.payload), bye))
		}
		f := of(strings.Repeat([]string{"*", "\xfe"}[section], 65536))
		all = append(all, autobahn(fmt.Sprintf("1.%d.8 65536 bytes in chops of 997", section+1),
			chop(997, f), echo(f.op, f.payload), bye))
	}
	return all
}

// pingCases are 2: each ping has its pong, with its payload, and a pong that
// nobody asked for is let pass.
func pingCases() []autobahnCase {
	full := strings.Repeat("\xfe", 125)
	var ten []frame
	var payloads []string
	for i := range 10 {
		payloads = append(payloads, fmt.Sprintf("payload-%d", i))
		ten = append(ten, ping(payloads[i]))
	}
	return []autobahnCase{
		autobahn("2.1 empty", send(ping("")), ponged(""), bye),
		autobahn("2.2 with a text", send(ping(hello)), ponged(hello), bye),
		autobahn("2.3 with bytes", send(ping(binaryBytes)), ponged(binaryBytes), bye),
		autobahn("2.4 of 125 bytes", send(ping(full)), ponged(full), bye),
		autobahn("2.5 of 126 bytes", send(ping(full+"\xfe")), closed(1002)),
		autobahn("2.6 of 125 bytes in chops of 1", chop(1, ping(full)), ponged(full), bye),
		autobahn("2.7 unsolicited pong", send(pong("")), bye),
		autobahn("2.8 unsolicited pong with a payload", send(pong("unsolicited pong payload")), bye),
		autobahn("2.9 unsolicited pong, then a ping",
			send(pong("unsolicited pong payload"), ping("ping payload")), ponged("ping payload"), bye),
		autobahn("2.10 ten pings", send(ten...), ponged(payloads...), bye),
		autobahn("2.11 ten pings in chops of 1", chop(1, ten...), ponged(payloads...), bye),
	}
}

// reservedBitCases are 3: what lies before the frame is echoed, what lies
// behind it is not looked at.
func reservedBitCases() []autobahnCase {
	with := func(f frame, rsv byte) frame { f.rsv = rsv; return f }
	second := func(rsv byte) []frame { return []frame{text(hello), with(text(hello), rsv), ping("")} }
	return []autobahnCase{
		autobahn("3.1 RSV3", send(with(text(hello), rsv3)), closed(1002)),
		autobahn("3.2 RSV2 on the second of two", send(second(rsv2)...), echo(opText, hello), closed(1002)),
		autobahn("3.3 RSV2 and RSV3, frame by frame", eachUntilFailed(second(rsv2|rsv3)...), echo(opText, hello), closed(1002)),
		autobahn("3.4 RSV1 in chops of 1", chopUntilFailed(second(rsv1)...), echo(opText, hello), closed(1002)),
		autobahn("3.5 RSV1 and RSV3 on a binary", send(with(binaryOf(binaryBytes), rsv1|rsv3)), closed(1002)),
		autobahn("3.6 RSV1 and RSV2 on a ping", send(with(ping(hello), rsv1|rsv2)), closed(1002)),
		autobahn("3.7 all on a close", send(with(closing(1000, ""), rsv1|rsv2|rsv3)), closed(1002)),
	}
}

// opcodeCases are 4.1, the reserved opcodes of messages, and 4.2, those of
// control frames.
func opcodeCases() []autobahnCase {
	var all []autobahnCase
	for section, first := range []byte{3, 11} {
		number := func(i int, how string) string {
			return fmt.Sprintf("4.%d.%d opcode %d%s", section+1, i+1, int(first)+i, how)
		}
		after := func(i byte, payload string) []frame {
			return []frame{text(hello), {op: first + i, payload: payload}, ping("")}
		}
		all = append(all,
			autobahn(number(0, ""), send(frame{op: first}), closed(1002)),
			autobahn(number(1, " with a payload"), send(frame{op: first + 1, payload: "reserved opcode payload"}), closed(1002)),
			autobahn(number(2, " behind a text"), send(after(2, "")...), echo(opText, hello), closed(1002)),
			autobahn(number(3, " with a payload behind a text"), send(after(3, hello)...), echo(opText, hello), closed(1002)),
			autobahn(number(4, " behind a text in chops of 1"), chopUntilFailed(after(4, hello)...), echo(opText, hello), closed(1002)),
		)
	}
	return all
}

// chopUntilFailed is chop(1) for frames of which one is wrong. The server may be
// gone before the last chop; what it sent is what counts.
func chopUntilFailed(frames ...frame) step {
	return func(p *peer) {
		for _, b := range wires(frames) {
			if _, err := p.conn.Write([]byte{b}); err != nil {
				return
			}
		}
	}
}
