package vhost

import (
	"net/url"
	"strings"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
)

// guarded is what a site's rules about passwords say of folders: a request for one can be answered by all that lies below it,
// which other rules may guard. Any goroutine.
type guarded struct {
	rules http.Table[int] // by what auth looks a path up
	below []string        // for each rule, its path up to the first wildcard; "" where it lets everybody in
	open  []bool          // whether more may stand behind that
}

// newGuarded reads rules that the builder of auth has found to be right; nil without any.
func newGuarded(rules []config.Auth) (*guarded, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	g := new(guarded)
	for i := range rules {
		a := &rules[i]
		if err := g.rules.Add(string(a.Path), i); err != nil {
			return nil, config.Within("auth", i, config.At("path", err))
		}
		method, path, isOf := strings.Cut(string(a.Path), " ")
		if !isOf {
			method, path = "GET", string(a.Path)
		}
		path = path[max(strings.IndexByte(path, '/'), 0):] // behind the host
		path, _, open := strings.Cut(path, "{")
		if plain, err := url.PathUnescape(path); err == nil {
			path = plain
		}
		if len(a.Users) == 0 && a.File == "" || method != "GET" && method != "HEAD" {
			path = ""
		}
		g.below, g.open = append(g.below, path), append(g.open, open)
	}
	return g, nil
}

// reaches says whether something below the folder of a request may be guarded by a rule that the request itself has not met.
func (g *guarded) reaches(c *http.Ctx) bool {
	met, _, ok := g.rules.Match(c)
	if !ok {
		met = -1
	}
	folder := c.Path()
	for i, path := range g.below {
		if i != met && path != "" && (strings.HasPrefix(path, folder) || g.open[i] && strings.HasPrefix(folder, path)) {
			return true
		}
	}
	return false
}

// aroundArchives refuses the archive of a folder with something below it that has a password of its own: an archive holds all that,
// and nobody was asked for it.
func (g *guarded) aroundArchives(next http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		for pair := range strings.SplitSeq(c.RawQuery(), "&") {
			if name, _, _ := strings.Cut(pair, "="); name == "download" && g.reaches(c) {
				return http.NewError(403, "a part of this folder has a password of its own: fetch its other folders one by one")
			}
		}
		return next(c)
	}
}
