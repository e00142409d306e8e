package static

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carillon-go/carillon/http"
)

// The page of a folder is written by appending: html/template takes well over ten
// times as long for a row, and the escaping of names needs more than its own. Style and
// script stand in the page, so that it is one answer wherever the folder is
// mounted; its policy lets exactly these two be used.

//go:embed listing.css
var listingStyle string

//go:embed listing.js
var listingScript string

// policyBase lets the page show itself and images of its own site, and nothing
// else, and be shown by no other site in a frame: Content Security Policy Level 3.
var policyBase = "default-src 'none'; base-uri 'none'; frame-ancestors 'self'; img-src 'self' data:; style-src " + hashOf(listingStyle) +
	"; script-src " + hashOf(listingScript)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// policy is the page's Content-Security-Policy.
func (l *listing) policy() string {
	if l.uploads != nil {
		return policyBase + "; connect-src 'self'; form-action 'self'"
	}
	return policyBase + "; form-action 'none'"
}

// pageIcon is shown by the browser beside the title.
const pageIcon = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath fill='%233f83f0' " +
	"d='M2.5 6.5A2.5 2.5 0 0 1 5 4h3.8c.7 0 1.3.3 1.8.7L12.2 6.3H19a2.5 2.5 0 0 1 2.5 2.5v8.7A2.5 2.5 0 0 1 19 20H5a2.5 2.5 0 0 1-2.5-2.5z'/%3E%3C/svg%3E"

// appendHead writes what stands in front of the rows. All links are relative, so
// they hold under any prefix; they need the page's own URL to end in a slash.
func (l *listing) appendHead(p []byte) []byte {
	p = append(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\""+pageIcon+"\">\n<title>"...)
	p = appendText(p, "/"+l.name)
	p = append(p, "</title>\n<style>"...)
	p = append(p, listingStyle...)
	p = append(p, "</style>\n</head>\n<body>\n"...)
	p = appendCrumbs(p, l.name)
	p = l.appendBar(p)
	if l.uploads != nil {
		p = l.uploads.appendForm(p)
	}
	if l.entries.more {
		p = append(p, `<p class="note">This folder is too large to be shown whole: below are only those of the first `...)
		p = strconv.AppendInt(p, maxListed, 10)
		p = append(p, " names that the file system gave. All others can still be opened by their address.</p>\n"...)
	}
	p = append(p, "<table class=\"list\">\n<thead><tr>"...)
	p = appendHeading(p, l.order, "name", "Name")
	p = appendHeading(p, l.order, "size", "Size")
	p = appendHeading(p, l.order, "date", "Modified <span>(UTC)</span>")
	p = append(p, "</tr></thead>\n<tbody>\n"...)
	if l.name != "" {
		p = append(p, `<tr class="u"><td><a href="../">Up</a></td><td></td><td></td></tr>`+"\n"...)
	}
	return p
}

// appendTail writes what stands behind the rows.
func (l *listing) appendTail(p []byte) ([]byte, error) {
	p = append(p, "</tbody>\n</table>\n"...)
	if len(l.entries.list) == 0 {
		p = append(p, "<p class=\"empty\">This folder is empty.</p>\n"...)
	}
	p = append(p, "<p class=\"keys\" hidden><kbd>/</kbd> filter &nbsp; <kbd>↑</kbd> <kbd>↓</kbd> move &nbsp; "+
		"<kbd>Enter</kbd> open"...)
	if l.name != "" {
		p = append(p, " &nbsp; <kbd>Backspace</kbd> up"...)
	}
	p = append(p, "</p>\n"...)
	p, err := l.readme.append(p)
	if err != nil {
		return p, err
	}
	p = append(append(append(p, "<script>"...), listingScript...), "</script>\n"...)
	return append(p, "</body>\n</html>\n"...), nil
}

// appendCrumbs writes the way from the root to the folder, each step a link.
func appendCrumbs(p []byte, name string) []byte {
	p = append(p, "<nav aria-label=\"Path\"><h1>"...)
	steps := strings.Split(name, "/")
	if name == "" {
		steps = nil
	}
	for i := -1; i < len(steps); i++ {
		shown := "Home"
		if i >= 0 {
			p = append(p, "<span>/</span>"...)
			shown = steps[i]
		}
		if up := len(steps) - 1 - i; up > 0 {
			p = append(p, `<a href="`...)
			p = append(p, strings.Repeat("../", up)...)
			p = append(p, `">`...)
			p = appendShown(p, shown)
			p = append(p, "</a>"...)
		} else {
			p = appendShown(p, shown)
		}
	}
	return append(p, "</h1></nav>\n"...)
}

// appendBar writes the summary, the filter, which needs the script, and the links
// to archives.
func (l *listing) appendBar(p []byte) []byte {
	es := l.entries
	p = append(p, "<div class=\"bar\">\n<p id=\"count\">"...)
	folders := len(es.list) - es.files
	if folders > 0 {
		p = appendCount(p, folders, "folder")
	}
	if folders > 0 && es.files > 0 {
		p = append(p, ", "...)
	}
	if es.files > 0 {
		p = appendSize(append(appendCount(p, es.files, "file"), ", "...), es.bytes)
	}
	p = append(p, "</p>\n<input id=\"filter\" type=\"search\" placeholder=\"Filter\" aria-label=\"Filter by name\" "+
		"autocomplete=\"off\" spellcheck=\"false\" hidden>\n"...)
	for _, format := range l.archives {
		p = append(p, `<a class="button" href="?download=`...)
		p = append(append(p, format...), `" download title="Download this folder">`...)
		p = append(append(p, format...), "</a>\n"...)
	}
	return append(p, "</div>\n"...)
}

func appendCount(p []byte, n int, what string) []byte {
	p = strconv.AppendInt(p, int64(n), 10)
	p = append(append(p, ' '), what...)
	if n != 1 {
		p = append(p, 's')
	}
	return p
}

// appendHeading writes a column's heading: a link that sorts by it, and the
// other way round when the page is so sorted already.
func appendHeading(p []byte, o order, key, title string) []byte {
	state, down := "", ""
	if o.by == key[0] {
		if o.down {
			state = ` aria-sort="descending"`
		} else {
			state, down = ` aria-sort="ascending"`, "&amp;order=desc"
		}
	}
	p = append(append(append(p, "<th"...), state...), `><a href="?sort=`...)
	p = append(append(append(p, key...), down...), `">`...)
	return append(append(p, title...), "</a></th>"...)
}

func appendRow(p []byte, e *entry, name string) []byte {
	slash := ""
	p = append(p, `<tr class="`...)
	if e.folder {
		p, slash = append(p, 'd'), "/"
	} else {
		p = append(p, iconOf(name))
	}
	p = append(p, `"><td><a href="`...)
	p = appendEscaped(p, name, "")
	p = append(append(p, slash...), `">`...)
	p = appendShown(p, name)
	p = append(p, "</a></td><td>"...)
	if !e.folder {
		p = appendSize(p, e.size)
	}
	p = append(p, "</td><td><time>"...)
	p = timeOf(e).AppendFormat(p, "2006-01-02 15:04")
	return append(p, "</time></td></tr>\n"...)
}

// iconOf returns the class of a file's row, by which the style picks an icon: 'i'mage,
// 's'ound, 'v'ideo, pack ('z'), 't'ext, 'c'ode; 'f' for any other file.
func iconOf(name string) byte {
	mediaType := http.MediaType(name)
	switch {
	case strings.HasPrefix(mediaType, "image/"):
		return 'i'
	case strings.HasPrefix(mediaType, "audio/"):
		return 's'
	case strings.HasPrefix(mediaType, "video/"):
		return 'v'
	}
	if icon, ok := icons[mediaType]; ok {
		return icon
	}
	if strings.HasPrefix(mediaType, "text/") {
		if ext := strings.LastIndexByte(name, '.'); ext >= 0 && mediaType == "text/plain; charset=utf-8" && !isProse(name[ext+1:]) {
			return 'c'
		}
		return 't'
	}
	return 'f'
}

// isProse tells text for people from source code, which has the same media type.
func isProse(ext string) bool {
	switch strings.ToLower(ext) {
	case "txt", "text", "log", "asc", "srt", "rst", "adoc", "org":
		return true
	}
	return false
}

var icons = map[string]byte{
	"text/html; charset=utf-8": 'c', "text/css; charset=utf-8": 'c', "text/javascript; charset=utf-8": 'c', "text/xml; charset=utf-8": 'c',
	"application/json": 'c', "application/yaml": 'c', "application/wasm": 'c', "application/jsonl": 'c',
	"application/pdf": 't', "application/rtf": 't', "application/epub+zip": 't', "application/msword": 't',
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": 't', "application/vnd.oasis.opendocument.text": 't',
	"application/zip": 'z', "application/gzip": 'z', "application/x-bzip2": 'z', "application/x-xz": 'z', "application/zstd": 'z',
	"application/x-tar": 'z', "application/x-7z-compressed": 'z', "application/vnd.rar": 'z', "application/java-archive": 'z',
	"application/vnd.debian.binary-package": 'z', "application/x-rpm": 'z',
}

// appendShown writes a name for the reader, set apart (bdi) so that letters
// which turn the direction of writing cannot disguise what stands beside it.
func appendShown(p []byte, name string) []byte {
	return append(appendText(append(p, "<bdi>"...), name), "</bdi>"...)
}

// appendText writes a name with markup escaped, control characters as their
// pictures (U+2400) and bytes that are no UTF-8 as U+FFFD.
func appendText(p []byte, name string) []byte {
	if isPlain(name) {
		return append(p, name...)
	}
	clean := strings.Map(func(c rune) rune {
		switch {
		case c < 0x20:
			return 0x2400 + c
		case c == 0x7f:
			return 0x2421
		case c > 0x7f && c < 0xa0:
			return utf8.RuneError
		}
		return c // also the RuneError that Map makes of a byte that is no UTF-8
	}, name)
	return append(p, html.EscapeString(clean)...)
}

// isPlain says whether a name is ASCII that needs no escaping, as nearly all are.
func isPlain(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c < ' ', c >= 0x7f, c == '<', c == '>', c == '&', c == '"', c == '\'':
			return false
		}
	}
	return true
}

// appendSize writes bytes to three digits, in powers of 1,000.
func appendSize(p []byte, n int64) []byte {
	if n < 1000 {
		return append(strconv.AppendInt(p, n, 10), " B"...)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.5 && unit < len("kMGTPE")-1 {
		f /= 1000
		unit++
	}
	decimals := 0
	if f < 9.95 {
		decimals = 1
	}
	p = strconv.AppendFloat(p, f, 'f', decimals, 64)
	return append(p, ' ', "kMGTPE"[unit], 'B')
}
