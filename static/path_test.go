package static

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
)

func TestAppendName(t *testing.T) {
	tests := []struct {
		path   string
		name   string
		folder bool
		ok     bool
	}{
		{"/", "", true, true},
		{"/a", "a", false, true},
		{"/a/", "a", true, true},
		{"/a/b.txt", "a/b.txt", false, true},
		{"/a b%?#\"'\n\xff", "a b%?#\"'\n\xff", false, true},
		{"/%2e%2e/x", "%2e%2e/x", false, true}, // decoded once already: a name with percent signs
		{"/\xc0\xae\xc0\xae/x", "\xc0\xae\xc0\xae/x", false, true},
		{`/a\..\b`, `a\..\b`, false, true}, // a backslash is a letter like any other
		{"/a..b/c.", "a..b/c.", false, true},
		{"", "", false, false},
		{"a", "", false, false},
		{"//", "", false, false},
		{"//a", "", false, false},
		{"/a//b", "", false, false},
		{"/a//", "", false, false},
		{"/.", "", false, false},
		{"/..", "", false, false},
		{"/../a", "", false, false},
		{"/a/..", "", false, false},
		{"/a/../b", "", false, false},
		{"/a/./b", "", false, false},
		{`/..\a`, "", false, false},
		{"/.git/config", "", false, false},
		{"/a/.hidden", "", false, false},
		{"/.hidden/", "", false, false},
		{"/...", "", false, false},
		{"/a\x00", "", false, false},
		{"/a\x00/../b", "", false, false},
		{"/" + strings.Repeat("a/", maxPath), "", false, false},
	}
	for _, test := range tests {
		name, folder, ok := appendName(nil, []byte(test.path))
		if string(name) != test.name || folder != test.folder && ok || ok != test.ok {
			t.Errorf("appendName(%.40q) = %q, %v, %v; want %q, %v, %v",
				test.path, name, folder, ok, test.name, test.folder, test.ok)
		}
	}
}

func TestFolderTarget(t *testing.T) {
	tests := []struct{ rawPath, query, want string }{
		{"/a", "", "./a/"},
		{"/a/b", "x=1&y=/z?", "./b/?x=1&y=/z?"},
		{"/a%2Fb", "", "./a%2Fb/"},
		{"/mailto:x", "", "./mailto:x/"},
		{`/\evil.example`, "", "./%5Cevil.example/"},
		{"/%5cevil.example", "", "./%5cevil.example/"},
		{"//evil.example", "", "./evil.example/"},
		{"/a", "x=\"<\\>#\x7f\xff", "./a/?x=%22%3C%5C%3E%23%7F%FF"},
		{"/\xffa", "", "./%FFa/"},
	}
	base, err := url.Parse("http://host.example/top/")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		got := folderTarget(test.rawPath, test.query)
		if got != test.want {
			t.Errorf("folderTarget(%q, %q) = %q; want %q", test.rawPath, test.query, got, test.want)
		}
		ref, err := base.Parse(got)
		if err != nil || ref.Host != base.Host || ref.Scheme != base.Scheme {
			t.Errorf("folderTarget(%q, %q) = %q leads to %v, %v", test.rawPath, test.query, got, ref, err)
		}
	}
}

// A link in a listing must lead back to the very bytes of the name, and must
// not be taken for anything but one segment of a path.
func TestAppendEscapedRoundTrip(t *testing.T) {
	base, err := url.Parse("http://host.example/folder/")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range hardNames() {
		link := string(appendEscaped(nil, name, ""))
		ref, err := base.Parse(link)
		if err != nil {
			t.Errorf("%q: link %q: %v", name, link, err)
			continue
		}
		if ref.Host != base.Host || ref.Path != "/folder/"+name || ref.RawQuery != "" || ref.Fragment != "" {
			t.Errorf("%q: link %q leads to %v (path %q)", name, link, ref, ref.Path)
		}
	}
}

// hardNames are file names that need escaping somewhere.
func hardNames() []string {
	names := []string{
		"with space", "100%", "a%2fb", "%2e%2e", "what?", "a#b", `"quoted"`, "it's", "a&amp;b", "line\nbreak", "tab\tbed",
		"<script>alert(1)<", "javascript:alert(1)", "mailto:a@b", `back\slash`, "a;b=c,d", "grün", "\u202efdp.exe", "~tilde", "+plus+",
		"\xff\xfe", "caf\xe9", "\xc0\xae\xc0\xae", "\x01\x7f", "(1) [2] {3}", "*", "-rf", "trailing. ", "日本語.html",
	}
	for c := 1; c < 256; c++ {
		if c != '/' && c != '.' {
			names = append(names, "x"+string([]byte{byte(c)})+"y")
		}
	}
	return names
}

func FuzzAppendName(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/../a", "/a/../../b", "/.a", "//a", "/a\x00b", "/%2e%2e/", "/\xc0\xae/", `/..\`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		name, folder, ok := appendName([]byte("kept"), path)
		if !bytes.HasPrefix(name, []byte("kept")) {
			t.Fatalf("%q: what stood before the name was changed", path)
		}
		name = name[len("kept"):]
		if !ok {
			if len(name) != 0 {
				t.Fatalf("%q: refused, yet named %q", path, name)
			}
			return
		}
		for segment := range bytes.SplitSeq(name, []byte{'/'}) {
			if len(name) > 0 && (len(segment) == 0 || segment[0] == '.') || bytes.IndexByte(segment, 0) >= 0 {
				t.Fatalf("%q: accepted segment %q", path, segment)
			}
		}
		back := "/" + string(name)
		if folder && len(name) > 0 {
			back += "/"
		}
		if back != string(path) {
			t.Fatalf("%q became %q", path, back)
		}
	})
}
