package static

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// rule sets one header line on the answers of files that match a pattern.
type rule struct {
	pattern     pattern
	name, value string
}

type rules []rule

// apply adds to lines what the rules say of the file name; a later rule replaces an earlier one of the same line.
func (all rules) apply(lines headerList, name string) headerList {
	if len(all) == 0 {
		return lines
	}
	lines = slices.Clone(lines)
	for i := range all {
		if all[i].pattern.matches(name) {
			lines.set(all[i].name, all[i].value)
		}
	}
	return lines
}

// applyToFolder adds to own, the lines of an answer that is made of the folder name, what the rules say of that name. What is
// in own stays, for the rules are about files: what may be kept for long, or has another type, is not the list of them. Only
// that an answer is not to be stored holds for that list as well.
func (all rules) applyToFolder(own headerList, name string) headerList {
	lines := all.apply(nil, name).without("Content-")
	for i := 0; i < len(own); i += 2 {
		if own[i] != "Cache-Control" || !lines.forbidStoring() {
			lines.set(own[i], own[i+1])
		}
	}
	return lines
}

// forbidStoring says whether there is a Cache-Control with no-store: RFC 9111 section 5.2.2.5.
func (l headerList) forbidStoring() bool {
	for i := 0; i < len(l); i += 2 {
		if strings.EqualFold(l[i], "Cache-Control") {
			for directive := range strings.SplitSeq(l[i+1], ",") {
				if strings.EqualFold(strings.TrimSpace(directive), "no-store") {
					return true
				}
			}
		}
	}
	return false
}

// madeHere are the lines that say what is sent: nobody else knows.
var madeHere = []string{
	"Accept-Ranges", "Content-Encoding", "Content-Length", "Content-Range", "ETag", "Last-Modified", "Transfer-Encoding", "Vary",
}

func newRule(glob, name, value string) (rule, error) {
	p, err := parsePattern(glob)
	if err != nil {
		return rule{}, err
	}
	if slices.ContainsFunc(madeHere, func(own string) bool { return strings.EqualFold(own, name) }) {
		return rule{}, fmt.Errorf("header %s is made from the file", name)
	}
	if _, err := http.NewHeaderBlock(name, value); err != nil {
		return rule{}, err
	}
	return rule{p, name, value}, nil
}

// pattern is a glob for names beneath the root, by its segments. Without a slash it is for the last segment of a name, wherever
// that lies. "**" stands for any number of segments, none included; the others are those of path.Match.
type pattern []string

func parsePattern(glob string) (pattern, error) {
	if _, err := path.Match(glob, ""); err != nil || glob == "" {
		return nil, fmt.Errorf("pattern %q is malformed", glob)
	}
	if !strings.Contains(glob, "/") {
		return pattern{"**", glob}, nil
	}
	segments := strings.Split(strings.TrimPrefix(glob, "/"), "/")
	if segments[len(segments)-1] == "" { // a folder stands for all in it
		segments[len(segments)-1] = "**"
	}
	for _, s := range segments {
		if s == "" || s == "." || s == ".." || s != "**" && strings.Contains(s, "**") {
			return nil, fmt.Errorf("pattern %q has the segment %q, which matches nothing", glob, s)
		}
		if _, err := path.Match(s, ""); err != nil {
			return nil, fmt.Errorf("pattern %q is malformed", glob)
		}
	}
	return slices.CompactFunc(segments, func(a, b string) bool { return a == "**" && b == "**" }), nil
}

// matches takes time linear in the segments of the name for each "**" of the pattern: as with "*" in a text, only the last "**"
// that was passed need be tried again.
func (p pattern) matches(name string) bool {
	segments := strings.Split(name, "/")
	i, retry, from := 0, -1, 0
	for j := 0; j < len(segments); {
		if i < len(p) && p[i] == "**" {
			retry, from = i, j
			i++
			continue
		}
		if i < len(p) {
			if ok, _ := path.Match(p[i], segments[j]); ok {
				i, j = i+1, j+1
				continue
			}
		}
		if retry < 0 {
			return false
		}
		from++
		i, j = retry+1, from
	}
	for i < len(p) && p[i] == "**" {
		i++
	}
	return i == len(p)
}
