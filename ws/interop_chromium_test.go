package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/chromedp/chromedp"
)

// chromiumPage talks to the echo at a path, and says what it saw.
const chromiumPage = `<!doctype html><title>ws</title><script>
const noise = (n) => crypto.getRandomValues(new Uint8Array(n));
const big = () => {
	const p = new Uint8Array(16 << 20), tile = noise(4096);
	for (let i = 0; i < p.length; i += tile.length) p.set(tile, i);
	return p;
};
const feed = (n) => {
	let s = '';
	for (let i = 0; s.length < n; i++) s += '{"id":' + (i * 7919 % 1000003) + ',"symbol":"ABC","price":' + i / 100 + ',"side":"buy"},';
	return s.slice(0, n);
};
const digest = async (p) => new Uint8Array(await crypto.subtle.digest('SHA-256', p)).toString();
const same = async (a, b) => typeof a === 'string' ? a === b
	: b instanceof ArrayBuffer && a.length === b.byteLength && await digest(a) === await digest(b);
async function talk(path, sizes, long, quiet, closeHere) {
	const c = new WebSocket(location.protocol.replace('http', 'ws') + '//' + location.host + path, ['other', 'chat']);
	c.binaryType = 'arraybuffer';
	const closed = new Promise((resolve) => { c.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }); });
	const next = () => Promise.race([
		new Promise((resolve) => { c.onmessage = ({ data }) => resolve(data); }),
		closed.then(({ code, reason }) => { throw new Error('closed early: ' + code + ' ' + reason); }),
	]);
	await Promise.race([new Promise((resolve) => { c.onopen = resolve; }), closed]);
	const messages = sizes.flatMap((n) => [noise(n), 'µ'.repeat(n / 2), feed(n)]);
	if (long) messages.push(big());
	for (const p of messages) {
		const echo = next();
		c.send(p);
		if (!await same(p, await echo)) throw new Error(p.length + ' came back otherwise');
	}
	if (quiet) {
		const pinged = next();
		c.send('quiet');
		await pinged;
	}
	if (closeHere) c.close(4001, 'bye');
	else c.send('close');
	return JSON.stringify({ protocol: c.protocol, extensions: c.extensions, ...await closed });
}
</script>`

// newTab starts a headless Chromium and returns a tab of it.
func newTab(t *testing.T) context.Context {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	i := slices.IndexFunc(names, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if i < 0 {
		t.Skip("no chromium is installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(names[i]),
		chromedp.NoSandbox, // tests run as root in containers
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.UserDataDir(t.TempDir()),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
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
	return ctx
}

// onCommand answers "quiet" when something comes from the silent page, which can only
// be a pong, and closes at "close".
func onCommand(c *Conn, op Op, p []byte) {
	switch string(p) {
	case "quiet":
		at := c.lastRead
		var check func()
		check = func() {
			if c.lastRead > at {
				c.Send(OpText, []byte("pinged"))
			} else if c.phase == open {
				c.Loop().RunAfter(5*time.Millisecond, check)
			}
		}
		check()
	case "close":
		c.Close(4321, "as you wish")
	default:
		c.Send(op, p)
	}
}

// copyStream echoes in fragments.
func copyStream(ctx context.Context, s *Stream) error {
	for {
		op, r, err := s.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := s.Writer(ctx, op)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

func TestChromium(t *testing.T) {
	if os.Getenv("CARILLON_POLLER") == "poll" {
		t.Skip("it is slow to start, and was over epoll already")
	}
	takeover := &Deflate{ContextTakeover: true, Threshold: -1}
	cases := []struct {
		path       string
		deflate    *Deflate
		stream     bool
		big        bool
		extensions string
		agreed     string
	}{
		{"/plain", nil, false, true, "", ""},
		{"/default", &Deflate{}, false, false, noKeep, "15 15"},
		{"/takeover", takeover, false, true, pmd, "15+ 15+"},
		{"/small", smallWindows, false, false, pmd + small10 + "; client_max_window_bits=11", "10+ 11+"},
		{"/smallest", &Deflate{ContextTakeover: true, ServerWindowBits: 9, ClientWindowBits: 9, Threshold: -1}, false, false,
			pmd + "; server_max_window_bits=9; client_max_window_bits=9", "9+ 9+"},
		{"/fragments", nil, true, false, "", ""},
		{"/fragments-deflated", takeover, true, false, pmd, "15+ 15+"},
	}
	ctx := newTab(t)
	rec := newRecorder()
	rec.onMessage = onCommand
	endpoints := map[string]http.Handler{"/": func(c *http.Ctx) error {
		return c.Blob(200, "text/html; charset=utf-8", []byte(chromiumPage))
	}}
	for _, c := range cases {
		h := Handler(rec)
		if c.stream {
			h = StreamHandler(copyStream)
		}
		endpoints[c.path] = Endpoint(h, withDeflate(c.deflate), WithSubprotocols("chat"), WithKeepalive(20*time.Millisecond, patience))
	}
	serve := func(c *http.Ctx) error {
		if h := endpoints[c.Path()]; h != nil {
			return h(c)
		}
		return c.NoContent(404)
	}
	page := "http://" + startServer(t, &http.Server{Handler: serve})
	if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * len(cases) {
		c, overTLS := cases[i%len(cases)], i >= len(cases)
		if i == len(cases) { // some once more, over TLS
			if err := chromedp.Do(ctx, chromedp.Navigate("https://"+startTLS(t, &http.Server{Handler: serve}))); err != nil {
				t.Fatal(err)
			}
		}
		for _, closeHere := range []bool{true, false} {
			if c.stream && !closeHere || overTLS && !c.big {
				continue
			}
			t.Run(fmt.Sprint(c.path, " closes ", closeHere, " over TLS ", overTLS), func(t *testing.T) {
				script := fmt.Sprintf("talk(%q, [0, 1, 127, 300, 5000, 65000], %v, %v, %v)", c.path, c.big && closeHere && !underRace(), !c.stream, closeHere)
				got, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				want := closeEvent{code: 4321, reason: "as you wish"}
				if closeHere {
					want = closeEvent{code: 4001, reason: "bye"}
				}
				var saw struct {
					Protocol, Extensions, Reason string
					Code                         Code
					WasClean                     bool
				}
				if err := json.Unmarshal([]byte(got), &saw); err != nil || saw.Protocol != "chat" || saw.Extensions != c.extensions ||
					saw.Code != want.code || !saw.WasClean {
					t.Fatal(got, err)
				}
				if c.stream {
					return
				}
				if got := agreedBy(wait(t, "OnOpen", rec.opened)); got != c.agreed {
					t.Error(got)
				}
				if got := wait(t, "OnClose", rec.closed); got.code != want.code {
					t.Errorf("OnClose got %v %q", got.code, got.reason)
				}
			})
		}
	}
}
