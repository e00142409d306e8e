package http

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// ContentDisposition returns the value of a Content-Disposition that suggests filename, for c.SetHeader: RFC 6266. disposition
// is "attachment" or "inline"; anything that is no token counts as "attachment".
//
// Whatever filename is, the value is safe: what could end the line or the string, or lead into another folder, does not get
// there. Control characters, slashes and backslashes become "_", bytes that are no UTF-8 U+FFFD, and names that are empty or
// mean a folder ("..") "download". A name that ASCII cannot carry is sent twice, as filename for the old, with "_" where it
// cannot be told, and as filename* (RFC 8187), which is exact.
func ContentDisposition(disposition, filename string) string {
	if !isToken(disposition) {
		disposition = "attachment"
	}
	name := cleanName(filename)
	var b strings.Builder
	b.WriteString(disposition)
	b.WriteString(`; filename="`)
	exact := true
	for _, r := range name {
		// RFC 6266 appendix D: quotes, backslashes and percent signs are read in more than one way.
		if r >= utf8.RuneSelf || r == '"' || r == '%' {
			r, exact = '_', false
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	if !exact {
		b.WriteString("; filename*=UTF-8''")
		b.WriteString(attrChars.PercentEncode(name))
	}
	return b.String()
}

// attrChars are the attr-chars of RFC 8187 section 3.2.1.
var attrChars = syntax.Where(func(c byte) bool { return syntax.Token[c] && strings.IndexByte("*'%", c) < 0 })

// cleanName makes a name that no system takes for more than one name.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || unicode.IsControl(r) || isBidi(r) {
			return '_'
		}
		return r // U+FFFD for a byte that is no UTF-8
	}, s)
	if strings.Trim(s, ". ") == "" {
		return "download"
	}
	return s
}

// isBidi says whether r turns the direction of what follows: "exe.fdp" must not read as "pdf.exe".
func isBidi(r rune) bool {
	return r == '\u200e' || r == '\u200f' || r == '\u061c' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// BaseName returns what stands behind the last slash or backslash of a file name that somebody else gave, without control
// characters: "" when nothing is left, or only a name that means a folder ("."  or ".."). It may still be any name, such as
// one that begins with a dot, or one that exists.
func BaseName(filename string) string {
	filename = filename[strings.LastIndexAny(filename, `/\`)+1:]
	filename = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || isBidi(r) {
			return -1
		}
		return r
	}, filename)
	if filename == "." || filename == ".." {
		return ""
	}
	return filename
}
