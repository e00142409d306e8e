package mux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A twin is a Tree and a ServeMux of the same patterns. ServeMux is the oracle for all that this package promises to do alike.
type twin struct {
	tree Tree[string]
	mux  http.ServeMux
	hit  string // what the ServeMux served last, in lookup's form
}

// add enters a pattern into both. They must agree whether it is valid and whether it conflicts.
func (w *twin) add(t *testing.T, s string) {
	t.Helper()
	p, err := Parse(s)
	if err != nil {
		if valid := registerErr(new(http.ServeMux), s, http.NotFound) == nil; valid && !onlyHereInvalid(s) {
			t.Fatalf("%v, but ServeMux takes it", err)
		}
		return
	}
	names := p.Names()
	muxErr := registerErr(&w.mux, s, func(_ http.ResponseWriter, r *http.Request) {
		w.hit = s
		for _, name := range names {
			w.hit += fmt.Sprintf(" %s=%s", name, r.PathValue(name))
		}
	})
	_, err = w.tree.Add(p, s, "here")
	if (err == nil) != (muxErr == nil) {
		t.Fatalf("patterns %q, then %q\nServeMux: %v\nTree: %v", w.patterns(), s, muxErr, err)
	}
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		checkExamples(t, conflict)
	}
}

func (w *twin) patterns() (all []string) {
	for _, e := range w.tree.entries {
		all = append(all, e.Value)
	}
	return all
}

// registerErr turns the panic of a registration into an error.
func registerErr(mux *http.ServeMux, s string, h http.HandlerFunc) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	mux.HandleFunc(s, h)
	return nil
}

// onlyHereInvalid says whether Parse promises to refuse what ServeMux takes.
func onlyHereInvalid(s string) bool {
	method, rest, found := strings.Cut(s, " ")
	if i := strings.IndexByte(s, '\t'); i >= 0 && i < len(method) {
		method, rest, found = s[:i], s[i+1:], true
	}
	if !found {
		method, rest = "", s
	}
	host, path, _ := strings.Cut(strings.TrimLeft(rest, " \t"), "/")
	if up := strings.ToUpper(method); up != method && slices.Contains(commonMethods, up) {
		return true
	}
	plain := strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
	return !plain || len(host) > maxHost || strings.ContainsAny(path, "%\x00") || oracleClean("/"+path) != "/"+path
}

// check asks both for a clean path. Methods of a pattern but CONNECT, to which ServeMux has rules of its own.
func (w *twin) check(t *testing.T, method, host, path string) {
	t.Helper()
	want, allow := w.ask(t, method, host, path)
	if got := lookup(&w.tree, method+" "+host+path); got != want {
		t.Fatalf("patterns %q\n%s %s%s\nServeMux: %q\nTree:     %q", w.patterns(), method, host, path, want, got)
	}
	if want != "" {
		return
	}
	if got := w.tree.Allowed([]byte(host), []byte(path)); strings.Join(got, ", ") != allow || (got == nil) != (allow == "") {
		t.Fatalf("patterns %q\n%s %s%s\nServeMux allows %q, Tree %q", w.patterns(), method, host, path, allow, got)
	}
}

// ask returns what the ServeMux does with a request, in lookup's form, and the Allow field of a 405.
func (w *twin) ask(t *testing.T, method, host, path string) (outcome, allow string) {
	t.Helper()
	r := &http.Request{Method: method, Host: host, URL: &url.URL{Path: path}, ProtoMajor: 1, ProtoMinor: 1}
	_, pattern := w.mux.Handler(r)
	w.hit = ""
	answer := httptest.NewRecorder()
	w.mux.ServeHTTP(answer, r)
	switch answer.Code {
	case http.StatusTemporaryRedirect:
		if to := answer.Header().Get("Location"); to != (&url.URL{Path: path + "/"}).EscapedPath() {
			t.Fatalf("%s: ServeMux redirects %q to %q: not a clean path?", pattern, path, to)
		}
		return "redirect " + pattern, ""
	case http.StatusMethodNotAllowed:
		return "", answer.Header().Get("Allow")
	case http.StatusNotFound:
		return "", ""
	}
	return w.hit, ""
}

// An alphabet this small makes patterns meet, and paths match.
var (
	someMethods  = []string{"", "", "GET ", "HEAD ", "POST "}
	someHosts    = []string{"", "", "", "h", "i.test"}
	someSegments = []string{"a", "b", "c", "{}"} // the braces get a name of their own
	someTails    = []string{"", "", "", "/", "/{$}", "/{rest...}"}
)

func pick(next func(n int) int, from []string) string { return from[next(len(from))] }

// randomPattern is valid, and made of choices that next draws.
func randomPattern(next func(n int) int) string {
	var b strings.Builder
	b.WriteString(pick(next, someMethods) + pick(next, someHosts))
	n := next(5)
	for i := range n {
		s := pick(next, someSegments)
		if s == "{}" {
			s = "{" + string(rune('p'+i)) + "}"
		}
		b.WriteString("/" + s)
	}
	tail := pick(next, someTails)
	if n == 0 && tail == "" {
		tail = "/"
	}
	return b.String() + tail
}

func randomRequest(next func(n int) int) (method, host, path string) {
	method = pick(next, []string{"GET", "HEAD", "POST", "PUT"})
	host = pick(next, []string{"", "h", "h:80", "i.test", "j"})
	for range next(6) {
		path += "/" + pick(next, []string{"a", "b", "c", "d e", "ä"})
	}
	if path == "" || next(3) == 0 {
		path += "/"
	}
	return method, host, path
}

func TestAgainstServeMux(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 200
	}
	rnd := rand.New(rand.NewPCG(1, 22))
	conflicts, matches, redirects, misses, refused := 0, 0, 0, 0, 0
	for range rounds {
		var w twin
		tries := 1 + rnd.IntN(40)
		for range tries {
			w.add(t, randomPattern(rnd.IntN))
		}
		conflicts += tries - len(w.tree.entries)
		for range 60 {
			method, host, path := randomRequest(rnd.IntN)
			w.check(t, method, host, path)
			switch got := lookup(&w.tree, method+" "+host+path); {
			case strings.HasPrefix(got, "redirect"):
				redirects++
			case got != "":
				matches++
			case w.tree.Allowed([]byte(host), []byte(path)) != nil:
				refused++
			default:
				misses++
			}
		}
	}
	// A test that never gets where the two could differ would prove nothing.
	t.Log("conflicts", conflicts, "matches", matches, "redirects", redirects, "refused methods", refused, "misses", misses)
	for _, n := range []int{conflicts, matches, redirects, misses, refused} {
		if n < rounds {
			t.Error("some outcome is too rare")
		}
	}
}

// FuzzAgainstServeMux draws patterns and requests from the input, byte by byte.
func FuzzAgainstServeMux(f *testing.F) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		choices := make([]byte, 40+rnd.IntN(300))
		for i := range choices {
			choices[i] = byte(rnd.Uint32())
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		next := func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := choices[0]
			choices = choices[1:]
			return int(c) % n
		}
		var w twin
		for range next(24) {
			w.add(t, randomPattern(next))
		}
		for more := true; more; more = len(choices) > 0 {
			method, host, path := randomRequest(next)
			w.check(t, method, host, path)
		}
	})
}

// FuzzPatterns takes pattern texts as they come, one a line, and one request.
func FuzzPatterns(f *testing.F) {
	f.Add("GET /a/{x}\n/{x}/b\n/", "GET", "h", "/a/b")
	f.Add("/{x...}\nh/{$}\nh/a/{y}/{z...}", "HEAD", "H:80", "/a/b/c/")
	f.Add("GET/a\nget /a\n/a b\n/{a\n/{}\n/a{b}\n/{$}/\n/{x...}/\n/{x}/{x}", "POST", "", "/a b")
	f.Add("/%61\n/a//b\n/./a\n[::1]/\n*.h/\nh:80/\n/ä/{ä}", "GET", "h", "/ä/\xff")
	f.Add("GET /tree/\n/tree/{$}\nPOST /\n\t/x", "GET", "h", "/tree")
	f.Fuzz(func(t *testing.T, patterns, method, host, path string) {
		var w twin
		for s := range strings.SplitSeq(patterns, "\n") {
			w.add(t, s)
		}
		if !plainRequest(method, host) {
			return
		}
		cleaned, _ := Clean(nil, []byte(path))
		w.check(t, method, host, string(cleaned))
	})
}

// plainRequest says whether both routers promise the same for a request: ServeMux compares a host with its case, and has rules
// of its own for CONNECT and for the brackets of IPv6.
func plainRequest(method, host string) bool {
	if method == "" || method == "CONNECT" || strings.ContainsAny(method, " /") {
		return false
	}
	name, port, _ := strings.Cut(host, ":")
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && !strings.ContainsAny(port, ":[]/")
}
