package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// newBrowser starts a headless Chromium with an empty profile and returns a tab
// of it, with further options. At the end of the test, whatever the page complained of
// fails the test.
func newBrowser(t *testing.T, further ...chromedp.ExecAllocatorOption) (context.Context, *complaints) {
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
	opts = append(opts, further...)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	// Waits for the end of the browser, so that its profile can be removed.
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("ending the browser: %v", err)
		}
	})
	heard := &complaints{}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, heard.listen); err != nil {
		t.Fatal(err)
	}
	return ctx, heard
}

// complaints are failed requests, answers of 400 and above, errors on the
// console, and exceptions of scripts.
type complaints struct {
	mu     sync.Mutex
	list   []string
	loaded []string
}

func (c *complaints) listen(ev any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventLoadingFailed:
		c.list = append(c.list, "request failed: "+ev.ErrorText)
	case *network.EventResponseReceived:
		c.loaded = append(c.loaded, ev.Response.URL)
		if ev.Response.Status >= 400 {
			c.list = append(c.list, fmt.Sprintf("%s: status %d", ev.Response.URL, ev.Response.Status))
		}
	case *runtime.EventExceptionThrown:
		c.list = append(c.list, ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			c.list = append(c.list, "console.error")
		}
	}
}

// expectNone fails the test for each complaint so far.
func (c *complaints) expectNone(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.list {
		t.Error(text)
	}
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until a JavaScript expression holds; it is looked at with every
// change of the page.
func until(expression string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience))(ctx, target)
		if err != nil {
			err = fmt.Errorf("waiting for %s: %w", expression, err)
		}
		return chromedp.Void{}, err
	}
}

func viewport(width, height int64, mobile bool, scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}),
		chromedp.EmulateViewport(width, height, func(metrics *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
			metrics.Mobile = mobile
		}),
	)
}

// screenshot takes the whole page, and keeps it with `go test -artifacts`.
func screenshot(t *testing.T, ctx context.Context, name string) []byte {
	t.Helper()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
	return shot
}

// views are the screens that a page is looked at on.
var views = []struct {
	name          string
	width, height int64
	mobile        bool
	scheme        string
}{
	{"desktop-light", 1280, 900, false, "light"},
	{"desktop-dark", 1280, 900, false, "dark"},
	{"phone-light", 390, 844, true, "light"},
	{"phone-dark", 390, 844, true, "dark"},
}

func TestDemoInBrowser(t *testing.T) {
	ctx, heard := newBrowser(t)
	p := start(t, "demo", "-l", "127.0.0.1:0")
	for _, view := range views {
		t.Run(view.name, func(t *testing.T) {
			if view.mobile != (view.scheme == "dark") {
				aboutThePage(t) // each width and each scheme has been seen without these
			}
			do(t, ctx,
				viewport(view.width, view.height, view.mobile, view.scheme),
				chromedp.Navigate(p.url("/")),
				until(`document.documentElement.dataset.echoes >= 3`),
				until(`document.querySelector("#state").dataset.state === "open"`),
				chromedp.SendKeys(chromedp.CSS("#text"), "Hello, bells"),
				chromedp.Click(chromedp.CSS("#send")),
				until(`document.querySelector("#log li small")?.textContent.startsWith("back in ")`),
				chromedp.Click(chromedp.CSS("#more")),
				until(`+document.querySelector("#connections").textContent >= 102`),
				until(`document.querySelector("#source").textContent.includes("OnMessage")`),
				until(`document.documentElement.dataset.echoes >= 6`),
			)
			if text := evaluate[string](t, ctx, `document.querySelector("#log li span").textContent`); text != "Hello, bells" {
				t.Errorf("the echo is shown as %q", text)
			}
			if n := evaluate[int](t, ctx, `+document.querySelector("#goroutines").textContent`); n < 1 || n > 50 {
				t.Errorf("%d goroutines for 102 connections", n)
			}
			if !evaluate[bool](t, ctx, `["#last", "#median", "#min"].every(s => +document.querySelector(s).textContent > 0)`) {
				t.Error("a round-trip time is not shown")
			}
			if width := evaluate[int64](t, ctx, `document.documentElement.scrollWidth`); width > view.width {
				t.Errorf("the page is %d pixels wide", width)
			}
			if !evaluate[bool](t, ctx, `crossOriginIsolated`) {
				t.Error("not isolated: the clock is too coarse for the figures shown")
			}
			heard.expectNone(t)

			shot := screenshot(t, ctx, view.name)
			picture, err := png.Decode(bytes.NewReader(shot))
			if err != nil {
				t.Fatal(err)
			}
			if r, _, _, _ := picture.At(2, 2).RGBA(); (r > 0x8000) != (view.scheme == "light") {
				t.Errorf("the background is %v", picture.At(2, 2))
			}
			do(t, ctx, chromedp.Click(chromedp.CSS("#fewer")), until(`+document.querySelector("#connections").textContent < 102`))
		})
	}
}

// The page must find back by itself to a server that was restarted.
func TestDemoReconnectsInBrowser(t *testing.T) {
	ctx, _ := newBrowser(t)
	first := start(t, "demo", "-l", "127.0.0.1:0")
	state := func(s string) chromedp.Action[chromedp.Void] {
		return until(`document.querySelector("#state").dataset.state === "` + s + `"`)
	}
	do(t, ctx, chromedp.Navigate(first.url("/")), state("open"), until(`document.documentElement.dataset.echoes >= 1`))
	first.signal(syscall.SIGTERM)
	do(t, ctx, state("waiting"))
	screenshot(t, ctx, "waiting")
	if code := first.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	before := evaluate[int](t, ctx, `+document.documentElement.dataset.echoes`)
	start(t, "demo", "-l", first.address())
	do(t, ctx, state("open"), until(fmt.Sprintf(`document.documentElement.dataset.echoes > %d`, before)))
}

func TestPageOfAFolderInBrowser(t *testing.T) {
	ctx, heard := newBrowser(t)
	dir := site(t, map[string][]byte{
		"index.html": []byte(`<!doctype html><title>site</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css"><script src="js/classic.js" defer></script><script src="js/module.js" type="module"></script>
<img id="png" src="img/dot%20one.png"><img id="svg" src="img/dot.svg"><iframe src="sub/"></iframe>`),
		"style.css":     []byte(`@import "more.css"; body { background: url(img/dot%20one.png) }`),
		"more.css":      []byte(`body { color: rgb(1, 2, 3) }`),
		"js/classic.js": []byte(`document.documentElement.dataset.classic = "ran"`),
		"js/module.js": []byte(`import { value } from "./value.mjs"; document.documentElement.dataset.module = value
fetch("/data.json").then(r => r.json()).then(v => document.documentElement.dataset.json = v.ok)`),
		"js/value.mjs":    []byte(`export const value = "ran"`),
		"data.json":       []byte(`{"ok": "yes"}`),
		"img/dot one.png": dot(t),
		"img/dot.svg":     []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"><circle r="3" cx="3" cy="3"/></svg>`),
		"sub/index.html":  []byte(`<p id="inner">inner`),
	})
	p := start(t, "-l", "127.0.0.1:0", dir)
	do(t, ctx, chromedp.Navigate(p.url("/")),
		until(`document.documentElement.dataset.json === "yes"`),
		until(`document.documentElement.dataset.module === "ran" && document.documentElement.dataset.classic === "ran"`),
		until(`document.querySelector("iframe").contentDocument.querySelector("#inner") !== null`),
		until(`document.querySelector("#png").naturalWidth === 5 && document.querySelector("#svg").naturalWidth === 7`),
		until(`getComputedStyle(document.body).color === "rgb(1, 2, 3)"`),
	)
	heard.expectNone(t)
	heard.mu.Lock()
	loaded := strings.Join(heard.loaded, "\n")
	heard.mu.Unlock()
	for _, path := range []string{"/", "/style.css", "/more.css", "/js/classic.js", "/js/module.js", "/js/value.mjs", "/data.json", "/img/dot%20one.png", "/img/dot.svg", "/sub/"} {
		if !strings.Contains(loaded+"\n", p.url(path)+"\n") {
			t.Errorf("%s was not loaded", path)
		}
	}
}

// dot is a PNG of 5 by 5 pixels.
func dot(t *testing.T) []byte {
	t.Helper()
	picture := image.NewGray(image.Rect(0, 0, 5, 5))
	picture.Set(2, 2, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
