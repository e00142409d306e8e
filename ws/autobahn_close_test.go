package ws_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestAutobahnClose(t *testing.T) { runAutobahn(t, closeCases()) }

// closeCases are 7. A good close frame is echoed with its code, and an empty one
// with an empty one; a bad one is answered with 1002, or 1007 when the reason is
// not UTF-8. What lies behind a close frame is not looked at.
func closeCases() []autobahnCase {
	long := strings.Repeat("BAsd7&jh23", 256<<10/10+1)[:256<<10]
	all := []autobahnCase{
		autobahn("7.1.1 a text, then close", send(text(hello), closing(1000, "")), echo(opText, hello), closed(1000)),
		autobahn("7.1.2 two closes", send(closing(1000, ""), closing(1000, "")), closed(1000)),
		autobahn("7.1.3 a ping behind the close", send(closing(1000, ""), ping("")), closed(1000)),
		autobahn("7.1.4 a text behind the close", send(closing(1000, ""), text(hello)), closed(1000)),
		autobahn("7.1.5 close inside a message", send(begin("fragment1"), closing(1000, ""), last("fragment2")), closed(1000)),
		autobahn("7.1.6 256 KiB, a text, close and a ping", send(text(long), text("Hello World!"), closing(1000, ""), ping("")),
			echo(opText, long), echo(opText, "Hello World!"), closed(1000)),

		autobahn("7.3.1 empty", send(frame{op: opClose}), closed(noCode)),
		autobahn("7.3.2 of one byte", send(frame{op: opClose, payload: "a"}), closed(1002)),
		autobahn("7.3.3 a code", send(closing(1000, "")), closed(1000)),
		autobahn("7.3.4 a code and a reason", send(closing(1000, "Hello World!")), closed(1000)),
		autobahn("7.3.5 the longest reason", send(closing(1000, strings.Repeat("*", 123))), closed(1000)),
		autobahn("7.3.6 one byte longer", send(closing(1000, strings.Repeat("*", 124))), closed(1002)),

		autobahn("7.5.1 the reason is not UTF-8", send(closing(1000, kosme+surrogate+edited)), closed(1007)),
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		all = append(all, autobahn(fmt.Sprintf("7.7.%d code %d", i+1, code), send(closing(code, "")), closed(code)))
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		all = append(all, autobahn(fmt.Sprintf("7.9.%d code %d", i+1, code), send(closing(code, "")), closed(1002)))
	}
	for i, code := range []int{5000, 65535} {
		all = append(all, autobahn(fmt.Sprintf("7.13.%d code %d", i+1, code), send(closing(code, "")), closed(1002)))
	}
	return all
}
