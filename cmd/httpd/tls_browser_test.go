package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Pages that come by HTTPS find their WebSockets at wss: a browser would not let them use others.
func TestPagesOverTLSInBrowser(t *testing.T) {
	p := start(t, "demo", "-l", "https://127.0.0.1:0", "--tls-self-signed", "--log", "json")
	ctx, heard := newBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	do(t, ctx, desktop, chromedp.Navigate(p.url("/")),
		until(`document.documentElement.dataset.echoes >= 3`),
		until(`document.querySelector("#state").dataset.state === "open"`),
		until(`+document.querySelector("#connections").textContent >= 1`),
	)
	if got := evaluate[string](t, ctx, `location.protocol + " " + isSecureContext`); got != "https: true" {
		t.Errorf("the page is %s", got)
	}
	do(t, ctx, chromedp.Navigate(p.url("/chat")), called("Ada"), sent("over TLS"), shows("over TLS"))
	heard.expectNone(t)
	for _, path := range []string{"/ws", "/status", "/chat/ws"} {
		if line := p.stderr.await(t, `"target":"`+path+`"`); !strings.Contains(line, `"status":101`) || !strings.Contains(line, `"tls":"TLS 1.3"`) {
			t.Errorf("the log says %s", line)
		}
	}
}

// The operator's page over TLS, with a folder that is served by HTTPS beside it.
func TestStatusPageOverTLSInBrowser(t *testing.T) {
	dir := site(t, map[string][]byte{"index.html": []byte(`<!doctype html><title>t</title><link rel="icon" href="data:,"><script src="s.js"></script>`), "s.js": []byte(`document.documentElement.dataset.ran = "yes"`)})
	p := start(t, "-l", "https://127.0.0.1:0", "--admin", "https://127.0.0.1:0", "--tls-self-signed", dir)
	ctx, heard := newBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	do(t, ctx, chromedp.Navigate(p.url("/")), until(`document.documentElement.dataset.ran === "yes" && location.protocol === "https:"`))
	do(t, ctx, chromedp.Navigate("https://"+adminAddress(t, p)+"/-/status"),
		until(`document.querySelector("#state").dataset.state === "live"`),
		until(`+document.documentElement.dataset.samples >= 2`),
	)
	heard.expectNone(t)
}
