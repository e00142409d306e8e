package mux

import (
	"bytes"
	"path"
	"strings"
	"testing"
)

// oracleClean is what Clean promises, by package path.
func oracleClean(p string) string {
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	c := path.Clean(p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

func TestClean(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "/"}, {"/", "/"}, {"//", "/"}, {"///", "/"}, {"a", "/a"}, {"a/", "/a/"}, {"*", "/*"}, {".", "/"}, {"..", "/"},
		{"/.", "/"}, {"/..", "/"}, {"/./", "/"}, {"/../", "/"}, {"/../../a", "/a"}, {"/a/..", "/"}, {"/a/../", "/"},
		{"/a/.", "/a"}, {"/a/./", "/a/"}, {"/a/b/..", "/a"}, {"/a/b/../", "/a/"}, {"/a//b", "/a/b"}, {"/a//", "/a/"},
		{"/a/../../../b/c//./d/", "/b/c/d/"}, {"/...", "/..."}, {"/.a/..b/c.", "/.a/..b/c."}, {"/a b/\xff", "/a b/\xff"},
	} {
		checkClean(t, c.in)
		if got, _ := Clean(nil, []byte(c.in)); string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// checkClean compares with the oracle: into new memory, into room of the caller's and in place.
func checkClean(t *testing.T, in string) {
	t.Helper()
	want := oracleClean(in)
	original := []byte(in)
	room := make([]byte, 3, len(in)+4)
	for _, dst := range [][]byte{nil, room} {
		got, changed := Clean(dst, original)
		if string(got) != want || changed != (in != want) {
			t.Fatalf("%q: %q %v, want %q", in, got, changed, want)
		}
		if string(original) != in {
			t.Fatalf("%q was overwritten: %q", in, original)
		}
		if !changed && &got[0] != &original[0] {
			t.Fatalf("%q was copied", in)
		}
		if changed && dst != nil && &got[0] != &room[0] {
			t.Fatalf("%q did not use the room", in)
		}
	}
	if strings.HasPrefix(in, "/") {
		if got, _ := Clean(original[:0], original); string(got) != want {
			t.Fatalf("%q in place: %q, want %q", in, got, want)
		}
	}
}

func TestCleanDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 64)
	for _, p := range [][]byte{[]byte("/a/b/c/"), []byte("/a/.././b//c/")} {
		if n := testing.AllocsPerRun(100, func() { Clean(dst, p) }); n != 0 {
			t.Errorf("%s: %v allocations", p, n)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"/a/../b", "/..//./", "a/.", "/a/b/c/../../..", "/\x00/%2e"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		checkClean(t, string(p))
		once, _ := Clean(nil, bytes.Clone(p))
		if _, changed := Clean(nil, once); changed {
			t.Fatalf("%q is not clean after one pass: %q", p, once)
		}
	})
}
