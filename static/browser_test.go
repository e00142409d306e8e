package static

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/carillon-go/carillon/http"
)

const patience = 60 * time.Second

// browser is a tab of a headless Chromium with an empty profile.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no chromium is installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests run as root in containers
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.UserDataDir(t.TempDir()),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() { // waits for the end of the browser, so that its profile can be removed
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("ending the browser: %v", err)
		}
	})
	b := &browser{t: t, ctx: ctx}
	b.do()
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	return b
}

// listen notes what the page complains of: what its policy forbids among it.
func (b *browser) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventResponseReceived:
		if ev.Response.Status >= 400 {
			b.complaints = append(b.complaints, fmt.Sprintf("%s: status %d", ev.Response.URL, ev.Response.Status))
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			b.complaints = append(b.complaints, "console.error")
		}
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) expectNoComplaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.complaints {
		b.t.Error(text)
	}
}

// until waits until a JavaScript expression holds; it is looked at with every
// change of the page, and anew on the next when the page is left meanwhile.
func (b *browser) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience / 2); ; {
		_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience/2)))
		if err == nil {
			return
		}
		if left := strings.Contains(err.Error(), "context") || strings.Contains(err.Error(), "navigated"); !left || time.Now().After(deadline) {
			b.t.Fatalf("waiting for %s: %v", expression, err)
		}
	}
}

func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (b *browser) view(width, height int64, mobile bool, scheme string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}), chromedp.EmulateViewport(width, height, func(metrics *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
		metrics.Mobile = mobile
	}))
}

// screenshot takes the whole page, and keeps it with `go test -artifacts`.
func (b *browser) screenshot(name string) []byte {
	b.t.Helper()
	shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), shot, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return shot
}

// shown are the names that the page shows, in their order.
func (b *browser) shown() string {
	b.t.Helper()
	return evaluate[string](b, `[...document.querySelectorAll(".list tbody tr:not([hidden])")].map(r => r.cells[0].textContent).join(" ")`)
}

// press presses keys as a keyboard does: what a keydown enters is not entered
// when the page prevents it.
func (b *browser) press(keys string) {
	b.t.Helper()
	for _, r := range keys {
		for _, k := range kb.Encode(r) {
			switch {
			case k.Type == kb.KeyChar:
				continue
			case k.Type == kb.KeyDown && (r >= ' ' && r < 0x7f || r == '\r'):
				k.Text = string(r)
			}
			b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, input.DispatchKeyEvent, *k)
				return err
			}))
		}
	}
}

func (b *browser) focused() string {
	b.t.Helper()
	return evaluate[string](b, `document.activeElement.closest("tr")?.cells[0].textContent ?? document.activeElement.id`)
}

// album is a folder as people have them.
func album(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"docs", "music/Bach & Söhne", "photos"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"Annual report 2025 (final).pdf", "Goldberg variations.flac", "backup.tar.gz", "carillon.png", "chapter1.md", "chapter2.md",
		"chapter10.md", "config.json", "firmware.bin", "main.go", "notes.txt", "tower.mp4", "<b>bold & \"quoted\".html",
		"a name that is so long that a phone has to break it somewhere, and a desktop nearly so, too.txt"} {
		put(t, dir, name, noise(i*i*i*i*100))
	}
	put(t, dir, "docs/a.txt", nil)
	put(t, dir, "README.md", []byte("# The carillon\n\nA *carillon* is many bells, each on its own loop. This folder holds **recordings** and the "+
		"programs that play them; see [docs](docs/).\n\n```sh\ncarillon play --tempo 96 goldberg.flac\n```\n\n| Bell | Note | Weight |\n|---|---|--:|\n"+
		"| Bourdon | C1 | 8,000 kg |\n| Tenor | G2 | `1,200 kg` |\n\n- [x] cast\n- [ ] hung\n\n> Whoever rings the bells does not hear the clock.\n"))
	return dir
}

func TestListingInBrowser(t *testing.T) {
	b := newBrowser(t)
	addr, _ := serveUploads(t, album(t), UploadOptions{}, WithArchives(ArchiveOptions{}))
	for _, view := range []struct {
		name          string
		width, height int64
		mobile        bool
		scheme        string
	}{
		{"desktop-light", 1280, 900, false, "light"},
		{"desktop-dark", 1280, 900, false, "dark"},
		{"phone-light", 390, 844, true, "light"},
		{"phone-dark", 390, 844, true, "dark"},
	} {
		t.Run(view.name, func(t *testing.T) {
			b.t = t
			b.view(view.width, view.height, view.mobile, view.scheme)
			b.do(chromedp.Navigate("http://" + addr + "/"))
			b.until(`!document.querySelector("#filter").hidden`)
			picture, err := png.Decode(bytes.NewReader(b.screenshot("listing-" + view.name)))
			if err != nil {
				t.Fatal(err)
			}
			if r, _, _, _ := picture.At(2, 2).RGBA(); (r > 0x8000) != (view.scheme == "light") {
				t.Errorf("the background is %v", picture.At(2, 2))
			}
			if width := evaluate[int64](b, `document.documentElement.scrollWidth`); width > view.width {
				t.Errorf("the page is %d pixels wide", width)
			}
			if !evaluate[bool](b, `[...document.querySelectorAll(".list td a")].every(a => a.getBoundingClientRect().height >= 30)`) {
				t.Error("a row is too low to be hit")
			}
			if !evaluate[bool](b, `getComputedStyle(document.querySelector(".d a"), "::before").maskImage.startsWith("url")`) {
				t.Error("no icons")
			}
			b.do(chromedp.Navigate("http://" + addr + "/docs/"))
			b.until(`!document.querySelector("#filter").hidden`)
			b.screenshot("folder-" + view.name)
			b.expectNoComplaints()
		})
	}
}

func TestSortFilterAndKeysInBrowser(t *testing.T) {
	b := newBrowser(t)
	dir := t.TempDir()
	for i, name := range []string{"one.txt", "two.txt", "ten.md"} {
		put(t, dir, name, noise(10-i))
	}
	if err := os.MkdirAll(filepath.Join(dir, "sub/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	base := "http://" + serve(t, dir)
	ready := func() { b.t.Helper(); b.until(`document.querySelector("#filter")?.hidden === false`) }
	press := func(keys string) { b.t.Helper(); b.press(keys) }
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q; want %q", what, got, want)
		}
	}
	const (
		down, up, enter, back, escape, end = "\u0301", "\u0304", "\r", "\b", "\u001b", "\u0305"
	)
	b.do(chromedp.Navigate(base + "/"))
	ready()
	expect("by name", b.shown(), "sub one.txt ten.md two.txt")
	for _, step := range []struct{ column, want string }{
		{"Size", "sub ten.md two.txt one.txt"}, {"Size", "sub one.txt two.txt ten.md"},
		{"Name", "sub one.txt ten.md two.txt"}, {"Name", "sub two.txt ten.md one.txt"},
	} {
		before := evaluate[string](b, `location.search`)
		b.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`th:nth-child(%d) a`, map[string]int{"Name": 1, "Size": 2}[step.column]))))
		b.until(fmt.Sprintf(`location.search !== %q`, before))
		ready()
		expect("by "+step.column, b.shown(), step.want)
	}
	b.do(chromedp.Navigate(base + "/"))
	ready()
	press("/")
	expect("behind /", b.focused(), "filter")
	press("T T")
	expect("filtered", b.shown(), "one.txt ten.md two.txt")
	press("q")
	b.until(`document.querySelectorAll(".list tbody tr:not([hidden])").length === 0`)
	press(back)
	press(back)
	press(back)
	press("wo")
	expect("filtered", b.shown(), "two.txt")
	expect("the count", evaluate[string](b, `document.querySelector("#count").textContent`), "1 of 4 names")
	press(down)
	expect("down out of the filter", b.focused(), "two.txt")
	press(up)
	expect("up into the filter", b.focused(), "filter")
	press(escape)
	expect("behind Escape", b.shown(), "sub one.txt ten.md two.txt")
	press(down)
	press(down)
	expect("two down", b.focused(), "one.txt")
	press(end)
	expect("End", b.focused(), "two.txt")
	press(up)
	expect("up", b.focused(), "ten.md")
	for range 2 {
		press(up)
	}
	expect("up to the folder", b.focused(), "sub")
	press(enter)
	b.until(`location.pathname === "/sub/"`)
	ready()
	expect("a folder", b.shown(), "Up deep")
	press("/")
	press("dee" + enter)
	b.until(`location.pathname === "/sub/deep/"`)
	ready()
	expect("an empty folder", b.shown(), "Up")
	press(back)
	b.until(`location.pathname === "/sub/"`)
	ready()
	b.do(chromedp.Click(chromedp.CSS("h1 a")))
	b.until(`location.pathname === "/"`)
	b.expectNoComplaints()
}

// gate lets large bodies through up to a mark, and the rest when it is opened.
type gate struct {
	open atomic.Pointer[chan struct{}] // to be closed
}

func newGate() *gate {
	g := new(gate)
	g.shut()
	return g
}

func (g *gate) shut() {
	open := make(chan struct{})
	g.open.Store(&open)
}

func (g *gate) pass() { close(*g.open.Load()) }

const gateMark = 4 << 20

func (g *gate) middleware(next http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		if c.ContentLength() > gateMark {
			c.ReplaceBody(io.MultiReader(io.LimitReader(c.BodyReader(), gateMark), &gated{*g.open.Load(), c, c.BodyReader()}))
		}
		return next(c)
	}
}

type gated struct {
	open chan struct{}
	ctx  context.Context
	r    io.Reader
}

func (g *gated) Read(p []byte) (int, error) {
	select {
	case <-g.open:
	case <-g.ctx.Done():
	}
	return g.r.Read(p)
}

func TestUploadInBrowser(t *testing.T) {
	for name, o := range map[string]UploadOptions{"by tus": {}, "by PUT": {Expiry: -1}} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t)
			dir := t.TempDir()
			put(t, dir, "taken.txt", []byte("old"))
			slow := newGate()
			addr, stop := serveUploadsBehind(t, dir, o, []http.Middleware{slow.middleware})
			from := t.TempDir()
			large := noise(32 << 20) // more than the sockets hold
			files := []string{put(t, from, "large & grün.bin", large), put(t, from, "small.txt", []byte("small")), put(t, from, "empty", nil)}
			open := func() {
				b.do(chromedp.Navigate("http://" + addr + "/"))
				b.until(`document.querySelector(".upload.live") !== null`)
			}
			choose := func(files ...string) { b.do(chromedp.SetUploadFiles(chromedp.CSS(".upload input"), files)) }
			b.view(1280, 800, false, "light")
			open()
			choose(files...)
			b.until(`[...document.querySelectorAll("progress")].some(p => p.value > 0.1 && p.value < 0.9)`)
			b.screenshot("upload-" + strings.ReplaceAll(name, " ", "-"))
			b.view(390, 844, true, "dark")
			b.screenshot("upload-phone-" + strings.ReplaceAll(name, " ", "-"))
			slow.pass()
			b.until(`[...document.querySelectorAll(".list bdi")].map(e => e.textContent).join() === "empty,large & grün.bin,small.txt,taken.txt"`)
			b.until(`document.querySelector(".upload.live") !== null`)
			b.expectNoComplaints()

			choose(put(t, from, "taken.txt", []byte("new")))
			b.until(`document.querySelector(".sent .bad small")?.textContent === "there is such a file already"`)
			b.view(1280, 800, false, "light")
			b.screenshot("upload-refused-" + strings.ReplaceAll(name, " ", "-"))

			if !evaluate[bool](b, drop) {
				t.Error("dragging over the page does not show")
			}
			b.until(`document.querySelector(".sent .good") !== null`)

			slow.shut()
			open()
			choose(put(t, from, "cancelled.bin", large))
			b.until(`[...document.querySelectorAll("progress")].some(p => p.value > 0.1)`)
			b.do(chromedp.Click(chromedp.CSS(".sent button")))
			b.until(`document.querySelector(".sent small")?.textContent === "cancelled"`)
			slow.pass()
			b.until(`document.querySelector(".sent .bad") !== null || document.querySelector(".sent").children.length === 0`)
			b.do(chromedp.Navigate("about:blank"))
			if o.Expiry >= 0 {
				until(t, func() bool { _, err := os.Stat(filepath.Join(dir, stagingName)); return err != nil }) // DELETE is on its way
			}
			stop()
			got := tree(t, dir)
			if got["large & grün.bin"] != string(large) || got["small.txt"] != "small" || got["taken.txt"] != "old" || got["dropped.txt"] != "dropped" || len(got) != 5 {
				for name, content := range got {
					t.Errorf("%q has %d bytes", name, len(content))
				}
			}
		})
	}
}

// drop drops a file on the page, and says whether that showed.
const drop = `(() => {
	const data = new DataTransfer();
	data.items.add(new File(["dropped"], "dropped.txt"));
	document.querySelector(".sent").replaceChildren();
	const over = new DragEvent("dragover", {dataTransfer: data, bubbles: true, cancelable: true});
	document.body.dispatchEvent(over);
	const marked = document.body.classList.contains("drop");
	document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
	return marked && over.defaultPrevented && !document.body.classList.contains("drop");
})()`

// Without scripts the page sorts, leads everywhere, and uploads.
func TestWithoutScriptInBrowser(t *testing.T) {
	b := newBrowser(t)
	dir := t.TempDir()
	put(t, dir, "b.txt", noise(1))
	put(t, dir, "a.txt", noise(2))
	addr, _ := serveUploads(t, dir, UploadOptions{})
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.view(1280, 800, false, "light")
	b.do(chromedp.Navigate("http://"+addr+"/"), chromedp.Click(chromedp.CSS("th:nth-child(2) a")), chromedp.WaitVisible(chromedp.CSS("th:nth-child(2)[aria-sort]")))
	if got := b.shown(); got != "b.txt a.txt" {
		t.Errorf("by size: %s", got)
	}
	b.screenshot("without-script")
	b.do(chromedp.SetUploadFiles(chromedp.CSS(".upload input"), []string{put(t, t.TempDir(), "c.txt", []byte("c"))}),
		chromedp.Click(chromedp.CSS(".upload button")), chromedp.WaitVisible(chromedp.CSS(`a[href="c.txt"]`)))
	if got := tree(t, dir)["c.txt"]; got != "c" {
		t.Errorf("%q", got)
	}
}
