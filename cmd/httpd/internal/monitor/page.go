package monitor

import (
	"embed"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

//go:embed page
var files embed.FS

var pages = []struct{ path, file, mediaType string }{
	{"/-/status", "page/status.html", "text/html; charset=utf-8"},
	{"/-/status.css", "page/status.css", "text/css; charset=utf-8"},
	{"/-/status.js", "page/status.js", "text/javascript; charset=utf-8"},
}

// Register puts the page, and what it needs, on app.
func (s *Sampler) Register(app *http.App) {
	for _, p := range pages {
		body, err := files.ReadFile(p.file)
		if err != nil {
			panic(err) // it was compiled in
		}
		app.Get(p.path, func(c *http.Ctx) error {
			for _, h := range [...][2]string{
				{"Cache-Control", "no-cache"},
				{"X-Content-Type-Options", "nosniff"},
				{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
			} {
				if err := c.SetHeader(h[0], h[1]); err != nil {
					return err
				}
			}
			return c.Blob(200, p.mediaType, body)
		}, http.Inline)
	}
	app.Get("/-/status/feed", ws.Endpoint(feed{s: s}), http.Inline)
	app.Get("/{$}", func(c *http.Ctx) error { return c.Redirect(302, "/-/status") }, http.Inline)
}
