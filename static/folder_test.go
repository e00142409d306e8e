package static

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// listed is a listing in JSON, as whoever reads it would write it down.
type listed struct {
	Path      string
	Truncated bool
	Entries   []struct {
		Name, Type, Href string
		Size             *int64
		Modified         time.Time
	}
}

func decode(t *testing.T, body string) (l listed) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return l
}

func TestListingInJSON(t *testing.T) {
	p := dial(t, serve(t, trapTree(t)))
	a := p.ask("GET", "/hard/?format=json&order=desc")
	l := decode(t, a.body)
	if a.header.Get("Content-Type") != "application/json" || l.Path != "/hard/" || l.Truncated || a.header.Get("Content-Security-Policy") != "" {
		t.Errorf("%v, %q, %v", a.header, l.Path, l.Truncated)
	}
	base := &url.URL{Path: "/hard/"}
	for _, e := range l.Entries {
		ref, err := base.Parse(e.Href)
		if err != nil || e.Type != "file" || e.Size == nil {
			t.Fatalf("%+v: %v", e, err)
		}
		name := strings.TrimPrefix(ref.Path, "/hard/")
		if got := strings.ToValidUTF8(name, "\uFFFD"); strings.ReplaceAll(e.Name, "\uFFFD", "") != strings.ReplaceAll(got, "\uFFFD", "") {
			t.Errorf("%q is named %q", name, e.Name)
		}
		if file := p.ask("GET", "/hard/"+e.Href); file.body != "hard "+name || int64(len(file.body)) != *e.Size {
			t.Errorf("%q answers %q, size %d", e.Href, file.body, *e.Size)
		}
	}
	root := decode(t, p.ask("GET", "/?format=json").body)
	if first := root.Entries[0]; first.Name != "bad" || first.Type != "folder" || first.Href != "bad/" || first.Size != nil {
		t.Errorf("%+v", first)
	}
	for _, e := range root.Entries {
		if e.Name == "plain.txt" && (!e.Modified.Equal(time.Unix(dated, 0)) || *e.Size != 5) {
			t.Errorf("%+v", e)
		}
	}
	if empty := decode(t, dial(t, serve(t, t.TempDir())).ask("GET", "/?format=json").body); empty.Entries == nil || len(empty.Entries) != 0 || empty.Path != "/" {
		t.Errorf("an empty folder: %+v", empty)
	}
}

func TestListingFormat(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a", nil)
	p := dial(t, serve(t, dir))
	const page, data = "text/html; charset=utf-8", "application/json"
	for _, test := range []struct{ target, accept, want string }{
		{"/", "", page},
		{"/", "*/*", page},
		{"/", "application/json", data},
		{"/", "Application/JSON ; Charset=utf-8", data},
		{"/", "application/json, text/html", page},
		{"/", "text/html;q=0.9, application/json", data},
		{"/", "text/html;q=0.9, application/json;q=0.8", page},
		{"/", "application/json, */*;q=0.1", data},
		{"/", "application/*", data},
		{"/", "application/json;q=0, */*", page},
		{"/", "application/json;q=0.1, */*;q=0.2, text/html;q=0.05", data},
		{"/", "text/*;q=0.5, application/json;q=0.501", data},
		{"/", "application/json;q=1.001", page},
		{"/", "application/json;q=0.0001", page},
		{"/", "application/json;q=", page},
		{"/", "application/json;profile=x", page},
		{"/", "application/jsonx, image/png", page},
		{"/", `"application/json`, page},
		{"/", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", page}, // a browser
		{"/?format=json", "text/html", data},
		{"/?format=html", "application/json", page},
		{"/?sort=date&format=json", "", data},
	} {
		a := p.ask("GET", test.target, "Accept: "+test.accept)
		if a.code != 200 || a.header.Get("Content-Type") != test.want {
			t.Errorf("%s, %q: %d %s; want %s", test.target, test.accept, a.code, a.header.Get("Content-Type"), test.want)
		}
		if vary := a.header.Get("Vary"); (vary == "Accept") == strings.Contains(test.target, "format=") {
			t.Errorf("%s: Vary: %q", test.target, vary)
		}
	}
	if a := p.ask("GET", "/?format=xml"); a.code != 400 || !strings.Contains(a.body, "json or html") {
		t.Errorf("format=xml: %d %q", a.code, a.body)
	}
}

// The ETag of a listing changes with whatever the listing shows, and HEAD has the
// lines of GET.
func TestListingConditions(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "a.txt", []byte("one"))
	put(t, dir, "README.md", []byte("# one"))
	p := dial(t, serve(t, dir))
	tags := map[string]string{}
	see := func(what, target string) string {
		t.Helper()
		a := p.ask("GET", target)
		tag := a.header.Get("ETag")
		if was, ok := tags[tag]; ok || tag == "" {
			t.Errorf("%s has the ETag %q of %q", what, tag, was)
		}
		tags[tag] = what
		if a.header.Get("Cache-Control") != "no-cache" || a.header.Get("Last-Modified") != "" {
			t.Errorf("%s: %v", what, a.header)
		}
		h := p.ask("HEAD", target)
		h.header.Del("Date")
		a.header.Del("Date")
		if fmt.Sprint(h.header) != fmt.Sprint(a.header) || h.code != 200 || h.body != "" {
			t.Errorf("%s: HEAD %v; GET %v", what, h.header, a.header)
		}
		if b := p.ask("GET", target, "If-None-Match: "+tag); b.code != 304 || b.header.Get("ETag") != tag {
			t.Errorf("%s: If-None-Match: %d", what, b.code)
		}
		return tag
	}
	first := see("the page", "/")
	see("JSON", "/?format=json")
	see("by size", "/?sort=size")
	see("by name, down", "/?order=desc")
	if err := os.Chtimes(filepath.Join(dir, "a.txt"), time.Time{}, time.Unix(dated, 5)); err != nil {
		t.Fatal(err)
	}
	see("a nanosecond", "/") // the folder itself has not changed
	put(t, dir, "a.txt", []byte("four"))
	see("a size", "/")
	put(t, dir, "README.md", []byte("# two"))
	see("the README's text alone", "/")
	if err := os.Rename(filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.txt")); err != nil {
		t.Fatal(err)
	}
	see("a name", "/")
	if b := p.ask("GET", "/", "If-None-Match: "+first); b.code != 200 {
		t.Errorf("with the first ETag: %d", b.code)
	}
	if b := p.ask("GET", "/", `If-Match: "x"`); b.code != 412 {
		t.Errorf("If-Match: %d", b.code)
	}
}

func TestReadme(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		not        []string
	}{
		{"README.md", "# Title\n\nSome *text*, [in](there/a.txt).\n\n|a|b|\n|-|-|\n|1|2|\n", []string{"<h1>Title</h1>", "<em>text</em>", `<a href="there/a.txt">in</a>`, "<td>1</td>"}, nil},
		{"ReadMe.MARKDOWN", "**x**", []string{"<strong>x</strong>", "<bdi>ReadMe.MARKDOWN</bdi>"}, nil},
		{"README.md", "<script>alert(1)</script>\n\na <img src=x onerror=alert(1)> b\n\n<div onclick=x>\n", nil, []string{"<script>alert", "onerror", "onclick"}},
		{"README.md", "[a](javascript:alert(1)) [b](JaVaScRiPt:x) ![c](vbscript:x) [d](data:text/html,x) <javascript:alert(1)>", nil, []string{`href="java`, `href="JaVa`, `src="vb`, `href="data`}},
		{"README.md", `[a](/x "&quot; onmouseover=&quot;x") <a@b.c"onclick=x>` + "\n\n# a {onclick=x #count .y}\n", nil, []string{`" onmouseover`, `"onclick`, `<h1 `, `id="count" class`}},
		{"README.md", "bad \xff\xfe bytes \x00", []string{"bad \uFFFD bytes"}, []string{"\xff", "\x00"}},
		{"README.txt", "<b>bold</b>\r\n\ttab & \x1b[31m \xff\n", []string{"<pre>\n&lt;b&gt;bold&lt;/b&gt;\n\ttab &amp; ␛[31m \uFFFD\n</pre>"}, []string{"<b>"}},
		{"README", "*plain*", []string{"<pre>\n*plain*</pre>"}, nil},
		{"README.md", strings.Repeat("a", maxReadme+1), []string{"too large to be shown"}, []string{"aaaa"}},
		{"README.md", strings.Repeat("a\n\n", maxReadme/3), []string{"<pre>"}, nil},
		{"README.md", strings.Repeat("[a](", 5000), []string{"<pre>"}, nil},
		{"README.md", strings.Repeat(">", 5000), []string{"<pre>"}, nil},
		{"README.md", strings.Repeat("|a", 300) + "\n" + strings.Repeat("|-", 300) + "\n" + strings.Repeat("|a\n", 1000), []string{"<pre>"}, nil},
		{"README.rst", "x", nil, []string{`class="readme"`}},
	}
	for _, test := range tests {
		dir := t.TempDir()
		put(t, dir, test.name, []byte(test.text))
		a := dial(t, serve(t, dir)).ask("GET", "/")
		_, body, _ := strings.Cut(a.body, "</table>")
		body, _, _ = strings.Cut(body, `<script>"use strict"`)
		for _, want := range test.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s %.60q: no %q in\n%.900s", test.name, test.text, want, body)
			}
		}
		for _, not := range test.not {
			if strings.Contains(body, not) {
				t.Errorf("%s %.60q: %q in\n%.900s", test.name, test.text, not, body)
			}
		}
	}
}

func TestReadmeIsWhatIsServed(t *testing.T) {
	root := trapTree(t)
	dir := filepath.Join(root, "dir")
	if err := os.Symlink("../../outside/secret.txt", filepath.Join(dir, "README.md")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "README", []byte("the better one leads out"))
	a := dial(t, serve(t, root)).ask("GET", "/dir/")
	if strings.Contains(a.body, secret) || !strings.Contains(a.body, "the better one leads out") {
		t.Errorf("%s", a.body)
	}
}

// 100,000 names arrive whole, over a loop that serves others meanwhile, and to a
// client that takes its time.
func TestListingOfLargeFolder(t *testing.T) {
	const n = 100_000
	dir := largeFolder(t, n)
	addr := serve(t, dir)
	slow, other := dial(t, addr), dial(t, addr)
	slow.send("GET", "/?format=json&sort=name&order=desc")
	if _, err := slow.in.Peek(1); err != nil { // it has begun, and is far more than the socket takes
		t.Fatal(err)
	}
	if a := other.ask("GET", "/file-00007.txt"); a.code != 200 {
		t.Errorf("beside it: %d", a.code)
	}
	a, err := slow.receive("GET")
	if err != nil {
		t.Fatal(err)
	}
	l := decode(t, a.body)
	if len(l.Entries) != n || l.Truncated || l.Entries[0].Name != fmt.Sprintf("file-%05d.txt", n-1) || l.Entries[n-1].Name != "file-00000.txt" {
		t.Errorf("%d entries, truncated %v", len(l.Entries), l.Truncated)
	}
	page := other.ask("GET", "/")
	if got := strings.Count(page.body, "<tr class="); got != n || !strings.HasSuffix(page.body, "</html>\n") {
		t.Errorf("%d rows", got)
	}
	if b := other.ask("GET", "/", "If-None-Match: "+page.header.Get("ETag")); b.code != 304 {
		t.Errorf("again: %d", b.code)
	}
	gone := dial(t, addr)
	gone.send("GET", "/")
	if _, err := gone.in.Peek(1); err != nil {
		t.Fatal(err)
	}
	gone.conn.Close() // what its listing holds goes with it: goleak, and TestListingsAreBounded
}

// Large listings that clients do not take are bounded together; small folders are
// listed all the same.
func TestListingsAreBounded(t *testing.T) {
	dir := largeFolder(t, 10*namesAtOnce) // 480 kB and more
	if err := os.Mkdir(filepath.Join(dir, "small"), 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	const most = 2 << 20
	files.held = newBudget(most)
	app := http.New()
	app.Mount("/", files.Serve)
	get := func(target string) int {
		r, err := nethttp.NewRequest("GET", target, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if code := get("/"); code != 200 {
		t.Errorf("within the bound: %d", code)
	}
	if left := files.held.left.Load(); left != most {
		t.Fatalf("a listing has not given back what it held: %d left of %d", left, most)
	}
	files.held.take(most) // by others
	if code := get("/"); code != 503 {
		t.Errorf("beyond the bound: %d", code)
	}
	if code := get("/small/"); code != 200 {
		t.Errorf("a small folder: %d", code)
	}
	if left := files.held.left.Load(); left != 0 {
		t.Errorf("one that was refused has kept %d", -left)
	}
	files.held.give(most)
	if code := get("/"); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}

// A name goes through the page and back.
func FuzzNameInPage(f *testing.F) {
	for _, name := range hardNames()[:30] {
		f.Add([]byte(name))
	}
	f.Fuzz(func(t *testing.T, name []byte) {
		if _, isFolder, ok := appendName(nil, append([]byte("/"), name...)); !ok || isFolder || len(name) > 255 || strings.Contains(string(name), "/") {
			return
		}
		var es entries
		es.add(entry{size: 1}, string(name))
		page := pageOf(t, &listing{name: "x", entries: &es, order: order{by: 'n'}})
		found := rows.FindAllStringSubmatch(page, -1)
		if len(found) != 2 {
			t.Fatalf("%d rows for %q", len(found), name)
		}
		base := &url.URL{Scheme: "http", Host: "h", Path: "/x/"}
		ref, err := base.Parse(found[1][1])
		if err != nil || ref.Path != "/x/"+string(name) || ref.Host != "h" || ref.RawQuery != "" || ref.Fragment != "" {
			t.Errorf("%q has the link %q: %v, %v", name, found[1][1], ref, err)
		}
		if shown := strings.TrimSuffix(strings.TrimPrefix(found[1][2], "<bdi>"), "</bdi>"); strings.ContainsAny(shown, "<>\"'\n\x00") {
			t.Errorf("%q is shown as %q", name, shown)
		}
		p := appendJSONEntry(appendJSONHead(nil, string(name), false), &es.list[0], string(name), true)
		l := decode(t, string(p)+jsonTail)
		if ref, err := base.Parse(l.Entries[0].Href); err != nil || ref.Path != "/x/"+string(name) {
			t.Errorf("%q has the href %q", name, l.Entries[0].Href)
		}
	})
}
