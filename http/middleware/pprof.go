package middleware

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"net/url"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// Pprof registers the profiles of the running program on r, at the paths and with the parameters that "go tool pprof" and
// "go tool trace" know from net/http/pprof:
//
//	{$}                  a list of the profiles, for people
//	heap, goroutine, …   each profile of runtime/pprof, by ?debug=1 as text; ?gc=1 collects garbage before heap
//	profile?seconds=30   a CPU profile, for 30 s without seconds
//	trace?seconds=1      an execution trace, for 1 s without seconds
//	symbol               names of functions by their addresses
//	cmdline              the command line
//
// Nothing protects them but what the router has around it, and they tell a stranger how the program works, what its command
// line and some of its memory hold, and cost much: never register them on a router that the world can reach. Put them on an
// App of their own that listens on a loopback address, or behind authentication:
//
//	middleware.Pprof(app.Group("/debug/pprof", middleware.BasicAuthUsers("pprof", users)))
//
// This package does not import net/http/pprof, because that registers on http.DefaultServeMux as soon as it is imported. The
// one thing of it that is missing are profiles of a difference: ?seconds for anything but profile and trace is 400. seconds
// are at most 600, and only one CPU profile, and one trace, can be made at a time: a second is 503.
func Pprof(r *http.Router) {
	r.Get("/{$}", pprofIndex)
	r.Get("/cmdline", pprofCmdline)
	r.Get("/profile", pprofCPU)
	r.Get("/trace", pprofTrace)
	r.Get("/symbol", pprofSymbol)
	r.Post("/symbol", pprofSymbol)
	r.Get("/{profile...}", pprofNamed)
}

func pprofIndex(c *http.Ctx) error {
	if err := pprofHeader(c, ""); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("<!doctype html>\n<meta charset=utf-8>\n<title>Profiles</title>\n<h1>Profiles</h1>\n<table>\n")
	for _, p := range pprof.Profiles() {
		// The name of a profile may hold slashes, colons and the like.
		href := (&url.URL{Path: "./" + p.Name(), RawQuery: "debug=1"}).String()
		fmt.Fprintf(&b, "<tr><td>%d<td><a href=\"%s\">%s</a>\n", p.Count(), html.EscapeString(href), html.EscapeString(p.Name()))
	}
	b.WriteString("</table>\n<p><a href=\"goroutine?debug=2\">all goroutines with their stacks</a>\n" +
		"<p><a href=profile>CPU profile of 30 s</a>, <a href=\"trace?seconds=1\">trace of 1 s</a>, <a href=cmdline>command line</a>\n")
	return c.Blob(200, "text/html; charset=utf-8", []byte(b.String()))
}

func pprofCmdline(c *http.Ctx) error {
	if err := pprofHeader(c, ""); err != nil {
		return err
	}
	return c.Text(200, strings.Join(os.Args, "\x00"))
}

func pprofNamed(c *http.Ctx) error {
	name := c.Param("profile")
	p := pprof.Lookup(name)
	if p == nil {
		return http.NewError(404, "no such profile")
	}
	query, err := pprofQuery(c)
	if err != nil {
		return err
	}
	if query.Has("seconds") {
		return http.NewError(400, "profiles of a difference are not supported: leave out seconds")
	}
	debug, err := strconv.Atoi(cmp.Or(query.Get("debug"), "0"))
	if err != nil {
		return http.NewError(400, "debug is no number")
	}
	if gc, _ := strconv.Atoi(query.Get("gc")); name == "heap" && gc > 0 {
		runtime.GC()
	}
	var b bytes.Buffer
	if err := p.WriteTo(&b, debug); err != nil {
		return err
	}
	if debug != 0 {
		if err := pprofHeader(c, ""); err != nil {
			return err
		}
		return c.Blob(200, "text/plain; charset=utf-8", b.Bytes())
	}
	if err := pprofHeader(c, name); err != nil {
		return err
	}
	return c.Blob(200, "application/octet-stream", b.Bytes())
}

func pprofCPU(c *http.Ctx) error {
	d, err := pprofSeconds(c, 30*time.Second)
	if err != nil {
		return err
	}
	var b bytes.Buffer // a profile is small, and a whole one has a length
	if err := pprof.StartCPUProfile(&b); err != nil {
		return &http.Error{Code: 503, Detail: "a CPU profile is being made", Err: err}
	}
	err = pprofWait(c, d)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	if err := pprofHeader(c, "profile"); err != nil {
		return err
	}
	return c.Blob(200, "application/octet-stream", b.Bytes())
}

func pprofTrace(c *http.Ctx) error {
	d, err := pprofSeconds(c, time.Second)
	if err != nil {
		return err
	}
	if trace.IsEnabled() {
		return http.NewError(503, "a trace is being made")
	}
	if err := pprofHeader(c, "trace"); err != nil {
		return err
	}
	return c.Stream(200, "application/octet-stream", func(s *http.Stream) error {
		// The runtime writes from a goroutine of its own, which has ended when Stop returns; until then this one only waits.
		if err := trace.Start(s); err != nil {
			return err
		}
		defer trace.Stop()
		return pprofWait(c, d)
	})
}

// pprofSymbol names the functions at addresses, "0x4a1b2c+0x4a1b30", that come in the query or in the body.
func pprofSymbol(c *http.Ctx) error {
	list := c.RawQuery()
	if c.Method() == "POST" {
		body, err := c.Body()
		if err != nil {
			return err
		}
		list = string(body)
	}
	if err := pprofHeader(c, ""); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("num_symbols: 1\n") // any number but 0 says that there are symbols
	for word := range strings.SplitSeq(list, "+") {
		pc, err := strconv.ParseUint(strings.TrimSpace(word), 0, 64)
		if err != nil {
			continue
		}
		if f := runtime.FuncForPC(uintptr(pc)); f != nil {
			fmt.Fprintf(&b, "%#x %s\n", pc, f.Name())
		}
	}
	return c.Text(200, b.String())
}

// pprofHeader sets what all answers have; a file is for saving under that name.
func pprofHeader(c *http.Ctx, file string) error {
	if err := c.SetHeader("X-Content-Type-Options", "nosniff"); err != nil {
		return err
	}
	if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
		return err
	}
	if file == "" {
		return nil
	}
	if !syntax.IsToken(file) {
		file = "profile"
	}
	return c.SetHeader("Content-Disposition", "attachment; filename="+quotedString(file))
}

func pprofQuery(c *http.Ctx) (url.Values, error) {
	query, err := url.ParseQuery(c.RawQuery())
	if err != nil {
		return nil, &http.Error{Code: 400, Detail: "malformed query", Err: err}
	}
	return query, nil
}

// maxPprofTime bounds a profile, for a client that asks for a year would keep others from theirs.
const maxPprofTime = 600 * time.Second

func pprofSeconds(c *http.Ctx, standard time.Duration) (time.Duration, error) {
	query, err := pprofQuery(c)
	if err != nil || !query.Has("seconds") {
		return standard, err
	}
	seconds, err := strconv.ParseFloat(query.Get("seconds"), 64)
	if err != nil || !(seconds > 0 && seconds <= maxPprofTime.Seconds()) {
		return 0, http.NewError(400, fmt.Sprintf("seconds must be above 0 and at most %v", maxPprofTime.Seconds()))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// pprofWait waits for d, or until the client has left.
func pprofWait(c *http.Ctx, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.Done():
		return c.Err()
	}
}
