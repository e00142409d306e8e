package static

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/util"
)

// A README is shown below the listing of its folder: Markdown by goldmark, which
// is what Hugo and Gitea render with, other text as it is. HTML in it is left out,
// as goldmark does unless told otherwise, and links of other schemes than those of
// web and mail lose their target; the page's own policy stops whatever would still
// load or run.
//
// goldmark drags in nothing and makes 1.1 MB of a program of 12 MB.

const (
	// maxReadme bounds the bytes of a README that is shown.
	maxReadme = 256 << 10
	// maxMarkdown bounds those of one that is rendered; a larger one is shown as it is.
	maxMarkdown = 64 << 10
)

// readmeRank says which of a folder's names is its README: the highest; 0 is none.
func readmeRank(name string) int {
	if len(name) < len("README") || !strings.EqualFold(name[:len("README")], "README") {
		return 0
	}
	switch strings.ToLower(name[len("README"):]) {
	case ".md", ".markdown":
		return 3
	case ".txt":
		return 2
	case "":
		return 1
	}
	return 0
}

// readme is what is shown of one.
type readme struct {
	name     string
	text     string // as it is on the disk
	tooLarge bool
}

// readReadme reads the README of the folder named. What cannot be read is not
// shown.
func (r *root) readReadme(folderName, base string) (rm readme) {
	path := folderName + "/" + base + "\x00"
	f, err := r.lookup([]byte(strings.TrimPrefix(path, "/")))
	if err != nil {
		return readme{}
	}
	defer f.close()
	switch {
	case f.kind != regular:
		return readme{}
	case f.size > maxReadme:
		return readme{name: base, tooLarge: true}
	}
	p := make([]byte, f.size)
	n, err := f.read(p, 0, true)
	if err != nil {
		return readme{}
	}
	return readme{name: base, text: string(p[:n])}
}

// markdown renders GitHub's dialect. It makes no ids, which could stand for the
// page's own.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Linkify, extension.Strikethrough, extension.TaskList,
	extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))), // the page's policy forbids style=
	goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(linkFilter{}, 1000))))

// append writes the part of the page that shows the README, nothing for none.
func (rm *readme) append(p []byte) ([]byte, error) {
	if rm.name == "" {
		return p, nil
	}
	p = append(p, `<section class="readme"><h2>`...)
	p = append(appendShown(p, rm.name), "</h2>\n"...)
	switch {
	case rm.tooLarge:
		p = append(p, `<p class="note">It is too large to be shown here.</p>`...)
	case readmeRank(rm.name) == 3 && isSimple(rm.text):
		var b bytes.Buffer
		if err := markdown.Convert([]byte(strings.ToValidUTF8(rm.text, "\uFFFD")), &b); err != nil {
			return p, fmt.Errorf("static: render a README: %w", err)
		}
		p = append(append(append(p, `<div class="text">`...), b.Bytes()...), "</div>"...)
	default:
		p = append(appendLines(append(p, "<pre>\n"...), rm.text), "</pre>"...)
	}
	return append(p, "</section>\n"...), nil
}

// Bounds on what makes goldmark take time that grows with the square of the text,
// or makes a page of a short text that is far longer: see BenchmarkReadme.
const (
	maxMarks   = 1000  // of one kind that opens something, between two blank lines
	maxNesting = 32    // of quotes and lists, on one line
	maxCells   = 20000 // of tables
)

// isSimple says whether Markdown can be rendered in a time that is in proportion
// to its length. Whoever may upload may upload a README.
func isSimple(text string) bool {
	if len(text) > maxMarkdown {
		return false
	}
	var marks [256]int // how often a byte has been seen since the last blank line
	columns, cells := 0, 0
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			clear(marks[:])
			columns = 0
			continue
		}
		for _, c := range []byte(line) {
			marks[c]++
		}
		if strings.Trim(line, "|-: >\t\r\n") == "" && strings.Contains(line, "-") {
			columns = max(columns, strings.Count(line, "|")+1)
		}
		cells += columns
		for _, c := range []byte("[*_~<`") {
			if marks[c] > maxMarks {
				return false
			}
		}
		if cells > maxCells || nesting(line) > maxNesting {
			return false
		}
	}
	return true
}

// nesting counts what may open a quote or a list at the front of a line.
func nesting(line string) (n int) {
	for i := range len(line) {
		switch c := line[i]; {
		case c == '>':
			n++
		case c == ' ' || c == '\t':
			if i > 0 && strings.IndexByte("-+*.)", line[i-1]) >= 0 {
				n++
			}
		case strings.IndexByte("-+*.)0123456789", c) < 0:
			return n
		}
	}
	return n
}

// appendLines is appendText for text that has lines.
func appendLines(p []byte, text string) []byte {
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		for i, part := range strings.Split(strings.TrimSuffix(line, "\r"), "\t") {
			if i > 0 {
				p = append(p, '\t')
			}
			p = appendText(p, part)
		}
		if ended {
			p = append(p, '\n')
		}
	}
	return p
}
