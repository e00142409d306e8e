package ws_test

import "testing"

func TestAutobahnFragments(t *testing.T) { runAutobahn(t, fragmentCases()) }

// fragmentCases are 5. Those that differ only in how the stream is cut send the
// same frames in one write, in one each, and byte by byte.
func fragmentCases() []autobahnCase {
	const one, two, three = "fragment1", "fragment2", "fragment3"
	whole := []frame{begin(one), last(two)}
	pinged := []frame{begin(one), ping("ping payload"), last(two)}
	orphan := []frame{last("non-continuation payload"), text(hello)}
	openOrphan := []frame{cont("non-continuation payload"), text(hello)}
	again := func(f ...frame) []frame { return append(f, f...) }
	echoed := echo(opText, one+two)

	return []autobahnCase{
		autobahn("5.1 ping in two", send(frame{op: opPing, more: true, payload: one}, last(two)), closed(1002)),
		autobahn("5.2 pong in two", send(frame{op: opPong, more: true, payload: one}, last(two)), closed(1002)),
		autobahn("5.3 text in two", send(whole...), echoed, bye),
		autobahn("5.4 text in two, frame by frame", each(whole...), echoed, bye),
		autobahn("5.5 text in two, in chops of 1", chop(1, whole...), echoed, bye),
		autobahn("5.6 ping between", send(pinged...), ponged("ping payload"), echoed, bye),
		autobahn("5.7 ping between, frame by frame", each(pinged...), ponged("ping payload"), echoed, bye),
		autobahn("5.8 ping between, in chops of 1", chop(1, pinged...), ponged("ping payload"), echoed, bye),
		autobahn("5.9 continuation of nothing, final", send(orphan...), closed(1002)),
		autobahn("5.10 the same, frame by frame", eachUntilFailed(orphan...), closed(1002)),
		autobahn("5.11 the same, in chops of 1", chopUntilFailed(orphan...), closed(1002)),
		autobahn("5.12 continuation of nothing, not final", send(openOrphan...), closed(1002)),
		autobahn("5.13 the same, frame by frame", eachUntilFailed(openOrphan...), closed(1002)),
		autobahn("5.14 the same, in chops of 1", chopUntilFailed(openOrphan...), closed(1002)),
		autobahn("5.15 continuation behind the last",
			send(begin(one), last(two), cont(three), text("fragment4")), echoed, closed(1002)),
		autobahn("5.16 continuation of nothing, not final, before a text in two, twice",
			send(again(cont(one), begin(two), last(three))...), closed(1002)),
		autobahn("5.17 the same, final", send(again(last(one), begin(two), last(three))...), closed(1002)),
		autobahn("5.18 the second fragment is a text", send(begin(one), text(two)), closed(1002)),
		autobahn("5.19 text in five with two pings", pingsBetween(send)...),
		autobahn("5.20 the same, frame by frame", pingsBetween(each)...),
	}
}

// pingsBetween has its first ping answered before the rest of the message is
// sent.
func pingsBetween(how func(...frame) step) []step {
	return []step{
		how(begin("fragment1"), cont("fragment2"), ping("pongme 1!")),
		ponged("pongme 1!"),
		how(cont("fragment3"), cont("fragment4"), ping("pongme 2!"), last("fragment5")),
		ponged("pongme 2!"),
		echo(opText, "fragment1fragment2fragment3fragment4fragment5"),
		bye,
	}
}

// eachUntilFailed is each for frames of which one is wrong: see chopUntilFailed.
func eachUntilFailed(frames ...frame) step {
	return func(p *peer) {
		for _, f := range frames {
			if _, err := p.conn.Write(f.wire()); err != nil {
				return
			}
		}
	}
}
