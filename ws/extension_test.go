package ws

import (
	"reflect"
	"strings"
	"testing"
)

func TestExtensionGrammar(t *testing.T) {
	bare := func(name string) extensionParam { return extensionParam{name: name} }
	set := func(name, value string) extensionParam { return extensionParam{name, value, true} }
	ext := func(name string, params ...extensionParam) extension { return extension{name, params} }
	for name, tt := range map[string]struct {
		lines []string
		want  []extension
	}{
		"no line":                  {nil, nil},
		"an empty line":            {[]string{""}, nil},
		"empty elements":           {[]string{" , ,\t"}, nil},
		"one":                      {[]string{"foo"}, []extension{ext("foo")}},
		"9.1 parameters":           {[]string{"foo; bar; baz=2"}, []extension{ext("foo", bare("bar"), set("baz", "2"))}},
		"9.1 two":                  {[]string{"foo, bar; baz=2"}, []extension{ext("foo"), ext("bar", set("baz", "2"))}},
		"9.1 two lines":            {[]string{"foo", "bar; baz=2"}, []extension{ext("foo"), ext("bar", set("baz", "2"))}},
		"empty elements between":   {[]string{",foo,,bar,"}, []extension{ext("foo"), ext("bar")}},
		"no blanks":                {[]string{"foo;bar;baz=2,qux"}, []extension{ext("foo", bare("bar"), set("baz", "2")), ext("qux")}},
		"blanks all over":          {[]string{"\tfoo ;\tbar = 2 , qux\t"}, []extension{ext("foo", set("bar", "2")), ext("qux")}},
		"quoted":                   {[]string{`foo; bar="2"`}, []extension{ext("foo", set("bar", "2"))}},
		"quoted with backslashes":  {[]string{`foo; bar="\1\5" ; q, x`}, []extension{ext("foo", set("bar", "15"), bare("q")), ext("x")}},
		"the same name twice":      {[]string{"foo; a; a=1"}, []extension{ext("foo", bare("a"), set("a", "1"))}},
		"all characters of tokens": {[]string{"!#$%&'*+-.^_`|~09azAZ"}, []extension{ext("!#$%&'*+-.^_`|~09azAZ")}},
	} {
		got, ok := parseExtensions(tt.lines)
		if !ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, ok, tt.want)
		}
	}
}

func TestExtensionGrammarBroken(t *testing.T) {
	for _, line := range []string{
		";", "=", `"foo"`, "foo;", "foo; ", "foo;;bar", "foo bar", "foo; bar baz", "foo; =2",
		"foo; bar=", "foo; bar=,", "foo; bar==2", "foo=2", "foo; bar=2 3", "foo/1", "f\x00o", "f\xc3\xa9",
		`foo; bar="`, `foo; bar="2`, `foo; bar="2\`, `foo; bar=""`, `foo; bar="2 3"`, `foo; bar="2,3"`,
		`foo; bar="\""`, `foo; bar="2"3`, `foo; bar="2" "3"`, `foo; bar=2"`, "foo\r\nbar",
	} {
		for _, lines := range [][]string{{line}, {"ok", line}, {line, "ok"}, {"ok, " + line}} {
			if got, ok := parseExtensions(lines); ok || got != nil {
				t.Errorf("%q: %v", lines, got)
			}
		}
	}
}

// FuzzExtensions: what was understood, written again, is understood to be the
// same; and no list makes the negotiation answer what it could not read itself.
func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"permessage-deflate; client_max_window_bits", `a; b="c\d", , e ; f = g`, "a;;b", `a; b="`,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate\npermessage-deflate",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=15",
	} {
		f.Add(s)
	}
	server := &Deflate{ContextTakeover: true, ServerWindowBits: 12, ClientWindowBits: 11}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(s, "\n")
		list, ok := parseExtensions(lines)
		if !ok {
			if _, _, on := server.accept(lines); on || list != nil {
				t.Fatalf("%q is malformed and accepted", lines)
			}
			return
		}
		var b strings.Builder
		for _, ext := range list {
			b.WriteString("," + ext.name)
			for _, p := range ext.params {
				b.WriteString(";" + p.name)
				if p.hasValue {
					b.WriteString("=" + p.value)
				}
			}
		}
		again, ok := parseExtensions([]string{b.String()})
		if !ok || !reflect.DeepEqual(again, list) {
			t.Fatalf("%q is %v, and then %v", lines, list, again)
		}
		if p, response, on := server.accept(lines); on {
			checkAccepted(t, p, response)
		}
		if p, on, err := server.agreed(lines); on && err == nil && (p.send.bits > 11 || p.receive.takeover && p.receive.bits > 12) {
			t.Fatalf("%q: the client agreed to %v", lines, p)
		}
	})
}

func checkAccepted(t *testing.T, p deflateParams, response string) {
	t.Helper()
	list, ok := parseExtensions([]string{response})
	if !ok || len(list) != 1 || list[0].name != deflateName {
		t.Fatalf("response %q", response)
	}
	e, ok := readDeflate(list[0].params, false)
	if !ok {
		t.Fatalf("response %q", response)
	}
	for _, d := range []deflateDirection{p.send, p.receive} {
		if d.bits < minWindowBits || d.bits > maxWindowBits {
			t.Fatalf("%q with %v", response, p)
		}
	}
	if p.send.takeover == e.serverNoTakeover || p.receive.takeover == e.clientNoTakeover {
		t.Fatalf("%q with %v", response, p)
	}
}
