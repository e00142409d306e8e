package ws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAutobahnUTF8(t *testing.T) { runAutobahn(t, utf8Cases()) }

// kosme is a word of characters of two and three bytes; surrogate and beyond
// are what breaks it off: in both the second byte makes it certain.
const (
	kosme     = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	surrogate = "\xed\xa0\x80"
	beyond    = "\xf4\x90\x80\x80" // U+110000
	edited    = "edited"
	german    = "Hello-µ@ßöäüàá-UTF-8!!"
)

// utf8Cases are 6.
func utf8Cases() []autobahnCase {
	bad := kosme + surrogate + edited
	all := []autobahnCase{
		autobahn("6.1.1 empty", send(text("")), echo(opText, ""), bye),
		autobahn("6.1.2 three empty fragments", send(begin(""), cont(""), last("")), echo(opText, ""), bye),
		autobahn("6.1.3 an empty one before and behind",
			send(begin(""), cont("middle frame payload"), last("")), echo(opText, "middle frame payload"), bye),
		autobahn("6.2.1 in one frame", send(text(german)), echo(opText, german), bye),
		autobahn("6.2.2 cut between characters",
			send(begin("Hello-µ@ßöä"), last("üàá-UTF-8!!")), echo(opText, german), bye),
		autobahn("6.2.3 in frames of one byte", send(fragments(text(german), 1)...), echo(opText, german), bye),
		autobahn("6.2.4 in frames of one byte", send(fragments(text(kosme), 1)...), echo(opText, kosme), bye),
		autobahn("6.3.1 a surrogate", send(text(bad)), closed(1007)),
		autobahn("6.3.2 a surrogate, in frames of one byte", send(fragments(text(bad), 1)...), closed(1007)),
	}
	all = append(all, failFastCases()...)
	for i, section := range utf8Sections() {
		for j, s := range section.payloads {
			name := fmt.Sprintf("6.%d.%d %s %.12q", i+5, j+1, section.name, s)
			steps := []step{send(text(s)), echo(opText, s), bye}
			if !utf8.ValidString(s) {
				steps = []step{send(text(s)), closed(1007)}
			}
			all = append(all, autobahn(name, steps...))
		}
	}
	return all
}

// failFastCases are 6.4: the server has to close with the byte that makes it
// certain, for the rest is never sent. That it accepts what comes before it is
// shown by the pong to a ping in between; where there cannot be one, inside a
// frame, by a message that begins alike and is good.
func failFastCases() []autobahnCase {
	all := text(kosme + beyond + edited)
	good := text(kosme + "\xf4\x8f\xbf\xbf" + edited) // U+10FFFF
	accepted := func(p *peer) { send(ping("so far"))(p); ponged("so far")(p) }
	chops := func(cuts [3]int) []step {
		var steps []step
		for _, f := range []frame{good, all} {
			steps = append(steps, part(f, 0, cuts[0]), part(f, cuts[0], cuts[1]))
			if f == good {
				steps = append(steps, part(f, cuts[1], cuts[2]), echo(opText, good.payload))
			}
		}
		return append(steps, closed(1007))
	}
	head, n := len(kosme), len(all.payload)
	return []autobahnCase{
		autobahn("6.4.1 U+110000 in the second fragment",
			send(begin(kosme)), accepted, send(cont(beyond)), closed(1007)),
		autobahn("6.4.2 its second byte in the second fragment",
			send(begin(all.payload[:head+1])), accepted, send(cont(all.payload[head+1:head+2])), closed(1007)),
		autobahn("6.4.3 in the second chop of a frame", chops([3]int{head, head + len(beyond), n})...),
		autobahn("6.4.4 its second byte in the second chop of a frame", chops([3]int{head + 1, head + 2, n})...),
	}
}

type utf8Section struct {
	name     string
	payloads []string
}

// utf8Sections are 6.5 to 6.23, after Markus Kuhn's stress test of UTF-8
// decoders. Whether a payload is good is the judgement of package unicode/utf8.
func utf8Sections() []utf8Section {
	truncated := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	return []utf8Section{
		{"valid", []string{"hello$world", "hello¢world", "hello€world", "hello\U00024b62world", kosme}},
		{"prefix", prefixes(kosme)},
		{"first of a length", []string{"\x00", "\u0080", "\u0800", "\U00010000"}},
		{"first of 5 and 6 bytes", []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{"last of a length", []string{"\x7f", "\u07ff", "\uffff", "\U0010ffff"}},
		{"last of 4, 5 and 6 bytes", []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
		{"boundary", []string{"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", beyond}},
		{"unexpected continuation", slices.Concat([]string{"\x80", "\xbf"},
			prefixes("\x80\xbf\x80\xbf\x80\xbf")[1:], []string{byteRange(0x80, 0xbf, "")})},
		{"lonely lead", []string{
			byteRange(0xc0, 0xdf, " "), byteRange(0xe0, 0xef, " "), byteRange(0xf0, 0xf7, " "),
			byteRange(0xf8, 0xfb, " "), byteRange(0xfc, 0xfd, " "),
		}},
		{"last byte missing", truncated},
		{"several cut off", []string{strings.Join(truncated, "")}},
		{"impossible byte", []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
		{"overlong slash", []string{
			"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf",
		}},
		{"largest overlong", []string{
			"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf",
		}},
		{"overlong NUL", []string{
			"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80",
		}},
		{"surrogate", []string{
			"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf",
		}},
		{"surrogate pair", pairs(
			[]string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf"}, []string{"\xed\xb0\x80", "\xed\xbf\xbf"},
		)},
		{"noncharacter", noncharacters()},
		{"special", []string{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"}},
	}
}

// prefixes is s cut off behind each of its bytes, from the first to the last.
func prefixes(s string) []string {
	var all []string
	for i := range len(s) {
		all = append(all, s[:i+1])
	}
	return all
}

// byteRange is the bytes from first up to, not including, end, each with sep
// behind it.
func byteRange(first, end int, sep string) string {
	var s strings.Builder
	for b := first; b < end; b++ {
		s.WriteByte(byte(b))
		s.WriteString(sep)
	}
	return s.String()
}

func pairs(heads, tails []string) []string {
	var all []string
	for _, h := range heads {
		for _, t := range tails {
			all = append(all, h+t)
		}
	}
	return all
}

// noncharacters is the last two code points of each plane.
func noncharacters() []string {
	var all []string
	for plane := range rune(17) {
		all = append(all, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return all
}
