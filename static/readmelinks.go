package static

import (
	"bytes"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// linkFilter takes the targets of links and images of a README that lead to other programs than the browser and the one for mail:
// whoever wrote it is not to start those with what he likes.
type linkFilter struct{}

var linkSchemes = []string{"http", "https", "mailto"}

// Transform implements parser.ASTTransformer.
func (linkFilter) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	source := reader.Source()
	var refused []*ast.AutoLink
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function returns no error
		switch n := n.(type) {
		case *ast.Link:
			n.Destination = allowedTarget(n.Destination)
		case *ast.Image:
			n.Destination = allowedTarget(n.Destination)
		case *ast.AutoLink:
			if entering && n.AutoLinkType == ast.AutoLinkURL && allowedTarget(n.URL(source)) == nil {
				refused = append(refused, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range refused { // it is its own text
		n.Parent().ReplaceChild(n.Parent(), n, ast.NewString(n.Label(source)))
	}
}

// allowedTarget returns a target that is relative or of one of linkSchemes, else nil. It looks at what will stand in the page,
// behind the entities and blanks that Markdown lets one write.
func allowedTarget(target []byte) []byte {
	written := util.URLEscape(target, true)
	end := bytes.IndexAny(written, ":/?#")
	if end < 0 || written[end] != ':' || slices.Contains(linkSchemes, strings.ToLower(string(written[:end]))) {
		return target
	}
	return nil
}
