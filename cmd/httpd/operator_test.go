package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// adminAddress is where the operator's listener of p is, which the log tells.
func adminAddress(t *testing.T, p *process) string {
	t.Helper()
	_, address, _ := strings.Cut(p.stderr.await(t, "admin address="), "address=")
	return strings.TrimSpace(address)
}

func TestAdminListener(t *testing.T) {
	dir := site(t, map[string][]byte{"a": []byte("here")})
	p := start(t, "-l", "127.0.0.1:0", "--admin", "127.0.0.1:0", dir)
	admin := "http://" + adminAddress(t, p)
	for range 3 {
		get(t, p.url("/a"))
	}
	get(t, p.url("/nowhere"))
	if status, body := get(t, admin+"/-/health"); status != 200 || !bytes.Contains(body, []byte(`"status":"ok"`)) && !bytes.Contains(body, []byte(`"status":"pass"`)) {
		t.Errorf("health: %d %s", status, body)
	}
	_, body := get(t, admin+"/-/metrics")
	for _, want := range []string{`status="2xx"} 3`, `status="4xx"} 1`, "http_request_duration_seconds_bucket", "http_connections ", "http_response_body_bytes_total", "go_goroutines", "process_cpu_seconds_total"} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	for _, path := range []string{"/-/health", "/-/metrics", "/-/status"} {
		if status, _ := get(t, p.url(path)); status != 404 {
			t.Errorf("%s is open to everybody: %d", path, status)
		}
	}
}

func TestStatusPageInBrowser(t *testing.T) {
	ctx, heard := newBrowser(t)
	dir := site(t, map[string][]byte{"a": bytes.Repeat([]byte("here"), 1000)})
	p := start(t, "-l", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "off", dir)
	admin := "http://" + adminAddress(t, p)
	l := startLoad(t, p.address(), "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", func(s string) bool { return len(s) == 4000 })
	defer l.stop()
	for _, view := range views {
		t.Run(view.name, func(t *testing.T) {
			do(t, ctx,
				viewport(view.width, view.height, view.mobile, view.scheme),
				chromedp.Navigate(admin+"/-/status"),
				until(`document.querySelector("#state").dataset.state === "live"`),
				until(`+document.documentElement.dataset.samples >= 4`),
				until(`parseInt(document.querySelector("#connections").textContent) >= 8`),
				until(`parseInt(document.querySelector("#requests").textContent.replaceAll(",", "")) > 10`),
				until(`document.querySelectorAll("#loops meter").length >= 1`),
				until(`document.querySelector("#plotRequests path.l1").getAttribute("d").length > 20`),
			)
			if width := evaluate[int64](t, ctx, `document.documentElement.scrollWidth`); width > view.width {
				t.Errorf("the page is %d pixels wide", width)
			}
			heard.expectNone(t)
			picture, err := png.Decode(bytes.NewReader(screenshot(t, ctx, "status-"+view.name)))
			if err != nil {
				t.Fatal(err)
			}
			if r, _, _, _ := picture.At(2, 2).RGBA(); (r > 0x8000) != (view.scheme == "light") {
				t.Errorf("the background is %v", picture.At(2, 2))
			}
		})
	}
}

func TestLiveReloadInBrowser(t *testing.T) {
	ctx, heard := newBrowser(t)
	page := func(text string) []byte {
		return fmt.Appendf(nil, `<!doctype html><title>t</title><link rel="icon" href="data:,"><link rel="stylesheet" href="s.css"><body><p id="p">%s</p></body>`, text)
	}
	dir := site(t, map[string][]byte{"index.html": page("first"), "s.css": []byte("p { color: rgb(1, 1, 1) }"), "sub/x.txt": nil})
	p := start(t, "-l", "127.0.0.1:0", "--live", dir)
	// The page that is waited for may be replaced meanwhile by the one that is wanted, which ends the wait.
	says := func(text string) chromedp.Action[chromedp.Void] {
		wait := until(fmt.Sprintf(`document.querySelector("#p")?.textContent === %q && document.documentElement.dataset.live === "on"`, text))
		return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			for {
				v, err := wait(ctx, target)
				if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context") {
					return v, err
				}
			}
		}
	}
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do(t, ctx, chromedp.Navigate(p.url("/")), says("first"))
	write("index.html", page("second"))
	do(t, ctx, says("second"))
	evaluate[bool](t, ctx, `window.kept = true`)
	write("s.css", []byte("p { color: rgb(2, 2, 2) }"))
	do(t, ctx, until(`getComputedStyle(document.querySelector("#p")).color === "rgb(2, 2, 2)" && window.kept`))
	write("index.html", page("third")) // as an editor does: a new file that takes the name
	do(t, ctx, says("third"))
	heard.expectNone(t)
	// What is no page for a browser is as it lies there.
	if _, body := get(t, p.url("/")); string(body) != string(page("third")) {
		t.Errorf("a program was sent %q", body)
	}
}
