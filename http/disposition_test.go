package http

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestContentDisposition(t *testing.T) {
	for _, tc := range []struct{ clause, disposition, filename, want string }{
		{"RFC 6266, 4.1", "attachment", "report.pdf", `attachment; filename="report.pdf"`},
		{"RFC 6266, 4.2", "inline", "a b.txt", `inline; filename="a b.txt"`},
		{"RFC 6266, 4.2: unknown is attachment", "x\r\ny", "a", `attachment; filename="a"`},
		{"RFC 6266, 5", "attachment", "€ rates.txt", `attachment; filename="_ rates.txt"; filename*=UTF-8''%E2%82%AC%20rates.txt`},
		{"RFC 8187, 3.2.1: attr-char", "attachment", "ü!#$&+-.^_`|~*'()", "attachment; filename=\"_!#$&+-.^_`|~*'()\"; filename*=UTF-8''%C3%BC!#$&+-.^_`|~%2A%27%28%29"},
		{"RFC 6266, D: quotes", "attachment", `a"b`, `attachment; filename="a_b"; filename*=UTF-8''a%22b`},
		{"RFC 6266, D: percent", "attachment", "100%41", `attachment; filename="100_41"; filename*=UTF-8''100%2541`},
		{"RFC 6266, 4.3: path", "attachment", "../../etc/passwd", `attachment; filename=".._.._etc_passwd"`},
		{"RFC 6266, 4.3: path of Windows", "attachment", `C:\x.exe`, `attachment; filename="C:_x.exe"`},
		{"line break", "attachment", "a\r\nX-Evil: 1", `attachment; filename="a__X-Evil: 1"`},
		{"NUL and DEL", "attachment", "a\x00b\x7f", `attachment; filename="a_b_"`},
		{"C1", "attachment", "a\u0085b", `attachment; filename="a_b"`},
		{"turned around", "attachment", "a\u202efdp.exe", `attachment; filename="a_fdp.exe"`},
		{"no UTF-8", "attachment", "a\xff", `attachment; filename="a_"; filename*=UTF-8''a%EF%BF%BD`},
		{"nothing", "attachment", "", `attachment; filename="download"`},
		{"a folder", "attachment", "..", `attachment; filename="download"`},
		{"hidden", "attachment", ".htaccess", `attachment; filename=".htaccess"`},
	} {
		if got := ContentDisposition(tc.disposition, tc.filename); got != tc.want {
			t.Errorf("%s: %s\nwant %s", tc.clause, got, tc.want)
		}
	}
}

func TestBaseName(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", "/etc/passwd": "passwd", `C:\fakepath\x.txt`: "x.txt", "../..": "", "a/": "", "": "", ".": "", "..": "",
		"a\r\nb\x00": "ab", ".\x00.": "", "a/\u202egnp.exe": "gnp.exe", ".htaccess": ".htaccess", "a b ü": "a b ü", `..\..\x`: "x",
	} {
		if got := BaseName(in); got != want {
			t.Errorf("BaseName(%q) = %q; want %q", in, got, want)
		}
	}
}

func FuzzContentDisposition(f *testing.F) {
	for _, seed := range []string{"a.txt", "€", "a\"b", "a\\b", "a%b", "a\r\nb", "..", "\xff", "a; filename=b", "UTF-8''x", "a*=b", "\u202e", "=?utf-8?q?x?="} {
		f.Add("attachment", seed)
	}
	f.Fuzz(func(t *testing.T, disposition, filename string) {
		value := ContentDisposition(disposition, filename)
		for i := range len(value) {
			if value[i] < 0x20 || value[i] >= 0x7f {
				t.Fatalf("%q holds byte %#x", value, value[i])
			}
		}
		kind, params, err := mime.ParseMediaType(value)
		if err != nil || len(params) != 1 || isToken(disposition) && kind != strings.ToLower(disposition) {
			t.Fatalf("%q: %q %v, %v", value, kind, params, err)
		}
		name := params["filename"]
		if name != cleanName(filename) || strings.ContainsAny(name, "/\\\r\n\x00") || !utf8.ValidString(name) || name == "" || name == "." || name == ".." {
			t.Fatalf("%q of %q is read as %q", value, filename, name)
		}
		base := BaseName(filename)
		if strings.ContainsAny(base, "/\\\r\n\x00") || base == "." || base == ".." {
			t.Fatalf("BaseName of %q is %q", filename, base)
		}
	})
}
