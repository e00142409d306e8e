package syntax

import (
	"iter"
	"strings"
)

// Elements yields the elements of one line of a list (RFC 9110 section 5.6.1) that are not empty, without the white space
// around them. A comma in a quoted-string (section 5.6.4) separates nothing. A quote that is not closed is a character like
// any other, as are those behind it.
func Elements(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		quotes := strings.IndexByte(line, '"') >= 0
		from := 0
		for i := 0; i <= len(line); i++ {
			switch {
			case i == len(line), line[i] == ',':
				if element := TrimOWS(line[from:i]); element != "" && !yield(element) {
					return
				}
				from = i + 1
			case quotes && line[i] == '"':
				if end := closingQuote(line, i); end > 0 {
					i = end
				} else {
					quotes = false // and no further look for an end, of which there could be one for each quote
				}
			}
		}
	}
}

// closingQuote returns the offset of the quote that closes the one at s[i], 0 when none does.
func closingQuote(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return 0
}
