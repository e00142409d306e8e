package main

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
	"github.com/spf13/cobra"
)

func newDemoCommand() *cobra.Command {
	var s service
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve a WebSocket echo and a chat, with pages for them",
		Long: `Serve a small site out of the binary: a page that talks to a WebSocket echo,
with round-trip times, a message box and the server's own figures; and a chat with
rooms.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: running(func(cmd *cobra.Command, _ []string) error {
			pages, err := newDemoPages()
			if err != nil {
				return err
			}
			chat := newChat()
			defer chat.close()
			return s.run(cmd, "its demo", func(server *http.Server) http.Handler {
				return demoHandler(pages, server, chat)
			})
		}),
	}
	s.addFlags(cmd)
	return cmd
}

// demoHandler routes the demo's pages and its WebSockets.
func demoHandler(pages demoPages, server *http.Server, chat *chat) http.Handler {
	toEcho := ws.Endpoint(echo{})
	toChat := ws.Endpoint(chat, chat.endpointOptions()...)
	toStatus := ws.Endpoint(newStatus(server, chat))
	return func(c *http.Ctx) error {
		switch c.Path() {
		case "/ws":
			return toEcho(c)
		case "/chat/ws":
			return toChat(c)
		case "/status":
			return toStatus(c)
		}
		return pages.serve(c)
	}
}

// What the pages show as a WebSocket's source is what was compiled.
//
//go:embed demo echo.go chat.go
var demoFiles embed.FS

// demoPages are the demo's files by their path in a URL, ready to be sent. Pages
// are without their .html there.
type demoPages map[string]demoPage

type demoPage struct {
	contentType string
	etag        string
	body        []byte
}

var demoTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".go":   "text/plain; charset=utf-8",
}

func newDemoPages() (demoPages, error) {
	pages := demoPages{}
	err := fs.WalkDir(demoFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := demoFiles.ReadFile(name)
		if err != nil {
			return err
		}
		contentType, ok := demoTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("no content type for the demo's %s", name)
		}
		sum := sha256.Sum256(body)
		at := "/" + strings.TrimSuffix(strings.TrimPrefix(name, "demo/"), ".html")
		if at == "/index" {
			at = "/"
		}
		pages[at] = demoPage{contentType, `"` + hex.EncodeToString(sum[:12]) + `"`, body}
		return nil
	})
	return pages, err
}

func (p demoPages) serve(c *http.Ctx) error {
	page, ok := p[c.Path()]
	if !ok {
		return http.NewError(404, "the demo has no such page")
	}
	headers := [...]string{
		"Etag", page.etag,
		"Cache-Control", "no-cache",
		"X-Content-Type-Options", "nosniff",
		"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		// A page that is isolated from other origins gets clocks of 5 µs instead
		// of 100 µs: the round trips are shorter than that.
		"Cross-Origin-Opener-Policy", "same-origin",
		"Cross-Origin-Embedder-Policy", "require-corp",
	}
	for i := 0; i < len(headers); i += 2 {
		if err := c.SetHeader(headers[i], headers[i+1]); err != nil {
			return err
		}
	}
	switch {
	case c.Method() != "GET" && c.Method() != "HEAD":
		if err := c.SetHeader("Allow", "GET, HEAD"); err != nil {
			return err
		}
		return c.Text(405, "405 Method Not Allowed\n")
	// A list, "*" and weak tags are rare enough here to be answered in full.
	case c.Header("If-None-Match") == page.etag:
		return c.NoContent(304)
	}
	return c.Blob(200, page.contentType, page.body)
}
