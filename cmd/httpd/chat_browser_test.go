package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// anotherPerson opens a tab in the same browser, with a storage of its own.
func anotherPerson(t *testing.T, browser context.Context, heard *complaints) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, heard.listen); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// script evaluates JavaScript for what it does.
func script(code string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("{"+code+"; true}"))
		return err
	})
}

// line is a TCP relay to a server, which can be cut.
type line struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	conns    map[net.Conn]bool
	down     bool
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, to: to, conns: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { l.relay(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		serving.Wait()
	})
	return l
}

func (l *line) relay(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer far.Close()
	l.mu.Lock()
	down := l.down
	l.conns[conn], l.conns[far] = true, true
	l.mu.Unlock()
	if down {
		return
	}
	var copying sync.WaitGroup
	copying.Go(func() { io.Copy(far, conn); far.Close() })
	copying.Go(func() { io.Copy(conn, far); conn.Close() })
	copying.Wait()
}

// cut ends all connections, and lets no other come up until restore.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for conn := range l.conns {
		conn.Close()
	}
	clear(l.conns)
}

func (l *line) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

func (l *line) url(path string) string { return "http://" + l.listener.Addr().String() + path }

// view takes what is in the viewport, and keeps it with `go test -artifacts`.
func view(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, until(`document.getAnimations().length === 0`))
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	chatOpen    = `document.querySelector("#state").dataset.state === "open"`
	chatWaiting = `document.querySelector("#state").dataset.state === "waiting"`
	chatTexts   = `[...document.querySelectorAll(".log .text")].map(e => e.textContent).join("|")`
)

var desktop = viewport(1280, 800, false, "light")

// shows waits for the messages in view, in their order, all of which the server has.
func shows(messages ...string) chromedp.Action[chromedp.Void] {
	return until(fmt.Sprintf(`%s === %q && !document.querySelector(".waiting, .failed")`, chatTexts, strings.Join(messages, "|")))
}

// key presses a key as a browser does it; chromedp's own would write a line break
// whatever the page makes of the key.
func key(params input.DispatchKeyEventParams) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, params)
		return err
	})
}

var enterKey = input.DispatchKeyEventParams{
	Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r",
}

func typed(text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS("#text"), text)
}

func sent(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(typed(text), key(enterKey), until(`document.querySelector("#text").value === ""`))
}

// called waits until the page has joined, and takes a name.
func called(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		until(chatOpen+` && document.querySelector("#name").value !== ""`),
		script(fmt.Sprintf(`const n = document.querySelector("#name"); n.value = %q; n.dispatchEvent(new Event("change"))`, name)),
		until(fmt.Sprintf(`document.querySelector("#people-list .mine bdi")?.textContent === %q`, name)),
	)
}

// Two people, each in a browser of their own.
func TestChatInBrowser(t *testing.T) {
	p := start(t, "demo", "-l", "127.0.0.1:0")
	ada, heard := newBrowser(t)
	ben := anotherPerson(t, ada, heard)
	do(t, ada, desktop, chromedp.Navigate(p.url("/chat")), called("Ada"), until(`document.querySelector(".nothing") !== null`))
	do(t, ben, desktop, chromedp.Navigate(p.url("/chat")), called("Ben"))
	do(t, ada,
		until(`document.querySelector("#people-list").textContent === "AAdayouBBen"`),
		until(`document.querySelector(".notice")?.textContent.startsWith(document.querySelector(".notice").textContent.split(" came in")[0] + " came in")`),
		sent("Hello <b>Ben</b> & all"), shows("Hello <b>Ben</b> & all"))
	do(t, ben, shows("Hello <b>Ben</b> & all"), sent("Hi Ada"), shows("Hello <b>Ben</b> & all", "Hi Ada"))
	do(t, ada, shows("Hello <b>Ben</b> & all", "Hi Ada"))
	if evaluate[bool](t, ben, `document.querySelector(".log b") !== null && !document.querySelector(".nothing")`) {
		t.Error("markup of a message became part of the page")
	}

	// A room of their own, then back: each room has its messages.
	do(t, ben, chromedp.SendKeys(chromedp.CSS("#room-name"), "  Tea   party "+kb.Enter),
		until(`document.querySelector("#room").textContent === "Tea party" && location.hash === "#Tea%20party"`),
		until(`document.querySelector("#people-list").textContent === "BBenyou"`),
		sent("Alone?"), shows("Alone?"))
	do(t, ada, until(`document.querySelector("#people-list").textContent === "AAdayou"`),
		until(`[...document.querySelectorAll("#room-list a")].some(a => a.textContent === "Tea party 1")`),
		until(`document.querySelector(".log").lastElementChild.textContent === "Ben left"`),
		chromedp.Click(chromedp.CSS(`#room-list a[href="#Tea%20party"]`)), shows("Alone?"),
		sent("No."), shows("Alone?", "No."))
	do(t, ben, shows("Alone?", "No."), called("Benjamin"))
	do(t, ada, until(`document.querySelector(".log").lastElementChild.textContent === "Ben is Benjamin now"`),
		chromedp.Click(chromedp.CSS(`#room-list a[href="#Lobby"]`)), shows("Hello <b>Ben</b> & all", "Hi Ada"))

	heard.expectNone(t)
}

// While the line is down both sides go on talking. Afterwards everybody has
// everything once.
func TestChatCatchesUpInBrowser(t *testing.T) {
	p := start(t, "demo", "-l", "127.0.0.1:0")
	l := newLine(t, p.address())
	ada, heard := newBrowser(t)
	do(t, ada, desktop, chromedp.Navigate(p.url("/chat#Belfry")), called("Ada"))
	ben := anotherPerson(t, ada, &complaints{}) // its requests fail while the line is down
	do(t, ben, desktop, chromedp.Navigate(l.url("/chat#Belfry")), called("Ben"), sent("one"), shows("one"))
	said := []string{"one"}
	do(t, ada, shows(said...))

	for i, lost := range []string{"first", "second"} {
		l.cut()
		do(t, ben, until(chatWaiting), sent(lost), until(`document.querySelector(".waiting .text")?.textContent === "`+lost+`"`))
		view(t, ben, "waiting-"+lost)
		meanwhile := fmt.Sprintf("meanwhile %d", i)
		said = append(said, meanwhile)
		do(t, ada, sent(meanwhile), shows(said...))
		l.restore()
		said = append(said, lost)
		do(t, ben, shows(said...))
		do(t, ada, shows(said...))
	}
	if notices := evaluate[string](t, ben, `[...document.querySelectorAll(".gap")].map(e => e.textContent).join()`); notices != "" {
		t.Errorf("the page says that something is missing: %s", notices)
	}
	heard.expectNone(t)
}

// A server that was restarted remembers nothing: the page keeps what it has, and
// says so.
func TestChatSurvivesARestartInBrowser(t *testing.T) {
	aboutThePage(t)
	first := start(t, "demo", "-l", "127.0.0.1:0")
	tab, _ := newBrowser(t)
	do(t, tab, desktop, chromedp.Navigate(first.url("/chat")), called("Ada"), sent("before"), shows("before"))
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.wait()
	do(t, tab, until(chatWaiting), sent("during"))
	start(t, "demo", "-l", first.address())
	do(t, tab, until(chatOpen), shows("before", "during"), until(`document.querySelector(".gap") !== null`),
		sent("after"), shows("before", "during", "after"))
}

// Enter sends, but not while an input method composes; Shift and Enter breaks the line.
func TestChatKeyboardInBrowser(t *testing.T) {
	aboutThePage(t)
	p := start(t, "demo", "-l", "127.0.0.1:0")
	tab, heard := newBrowser(t)
	compose := func(text string) chromedp.Action[chromedp.Void] {
		return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, input.ImeSetComposition, input.ImeSetCompositionParams{Text: text, SelectionStart: int64(len([]rune(text))), SelectionEnd: int64(len([]rune(text)))})
			return err
		})
	}
	shifted := enterKey
	shifted.Modifiers = 8
	do(t, tab, desktop, chromedp.Navigate(p.url("/chat")), called("Ada"), chromedp.Focus(chromedp.CSS("#text")),
		compose("かね"), key(enterKey),
		until(`document.querySelector("#text").value.startsWith("かね")`))
	if n := evaluate[int](t, tab, `document.querySelectorAll(".said").length`); n != 0 {
		t.Errorf("a text that was being composed was sent")
	}
	do(t, tab, script(`document.querySelector("#text").value = ""`), typed("two"), key(shifted), typed("lines"), key(enterKey), shows("two\nlines"))
	heard.expectNone(t)
}

// What the server refuses is offered again, and nothing is lost by that.
func TestChatSendsAgainInBrowser(t *testing.T) {
	aboutThePage(t)
	p := start(t, "demo", "-l", "127.0.0.1:0")
	tab, heard := newBrowser(t)
	const many = burst + 10
	do(t, tab, viewport(390, 844, true, "light"), chromedp.Navigate(p.url("/chat")), called("Ada"),
		script(fmt.Sprintf(`for (let i = 0; i < %d; i++) { document.querySelector("#text").value = i; document.querySelector("#send").click() }`, many)),
		until(`document.querySelector(".failed") !== null`))
	view(t, tab, "failed")
	do(t, tab, until(`document.querySelector(".failed button")?.click(), !document.querySelector(".failed, .waiting")`))
	if said := evaluate[string](t, tab, `[...document.querySelectorAll(".text")].map(e => +e.textContent).sort((a, b) => a - b).join()`); said != count(many) {
		t.Errorf("these were said: %s", said)
	}
	heard.expectNone(t)
}

// count is the numbers below n, with commas.
func count(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, i)
	}
	return b.String()
}

// Who reads further up is not carried off, but told.
func TestChatKeepsItsPlaceInBrowser(t *testing.T) {
	aboutThePage(t)
	p := start(t, "demo", "-l", "127.0.0.1:0")
	tab, heard := newBrowser(t)
	do(t, tab, desktop, chromedp.Navigate(p.url("/chat")), called("Ada"))
	ben := enter(t, strings.Replace(p.url("/chat/ws"), "http", "ws", 1), "Ben", "Lobby")
	ben.say(strings.TrimSpace(strings.Repeat("A long story.\n", 60)))
	do(t, tab, until(`document.querySelectorAll(".text").length === 1`), until(`document.querySelector(".log").scrollTop > 500`),
		script(`document.querySelector(".log").scrollTop = 40`), until(`document.querySelector(".log").scrollTop === 40`))
	ben.say("one")
	ben.say("two")
	do(t, tab, until(`document.querySelector("#newer").checkVisibility() && document.querySelector("#newer").textContent === "2 new messages"`))
	view(t, tab, "newer")
	if at := evaluate[int](t, tab, `document.querySelector(".log").scrollTop`); at != 40 {
		t.Errorf("carried off to %d", at)
	}
	do(t, tab, chromedp.Click(chromedp.CSS("#newer")),
		until(`!document.querySelector("#newer").checkVisibility()`),
		until(`(l => l.scrollHeight - l.scrollTop - l.clientHeight < 2)(document.querySelector(".log"))`))
	heard.expectNone(t)
}

// A room that cannot be is said to be none, and the page is where it was welcome.
func TestChatRefusesARoomInBrowser(t *testing.T) {
	aboutThePage(t)
	p := start(t, "demo", "-l", "127.0.0.1:0")
	tab, _ := newBrowser(t)
	do(t, tab, viewport(390, 844, true, "dark"), chromedp.Navigate(p.url("/chat#"+strings.Repeat("x", maxName+1))),
		until(`document.querySelector("#trouble").textContent.includes("32 characters") && document.querySelector("#room").textContent === "Lobby"`),
		called("Ada"), sent("here"), shows("here"))
	p.signal(syscall.SIGTERM)
	do(t, tab, until(chatWaiting), until(`document.querySelector("#state").textContent.includes("again in 1")`))
	view(t, tab, "waiting-phone")
	if right := evaluate[float64](t, tab, `document.querySelector("#state").getBoundingClientRect().right`); right > 390 {
		t.Errorf("the state ends at %v", right)
	}
}

// What the chat looks like: the pictures are kept with `go test -artifacts`.
func TestChatLooksInBrowser(t *testing.T) {
	aboutThePage(t)
	p := start(t, "demo", "-l", "127.0.0.1:0")
	tab, heard := newBrowser(t)
	url := strings.Replace(p.url("/chat/ws"), "http", "ws", 1)
	for _, v := range []struct {
		name          string
		width, height int64
		mobile        bool
		scheme        string
	}{
		{"chat-desktop-light", 1280, 800, false, "light"},
		{"chat-desktop-dark", 1280, 800, false, "dark"},
		{"chat-phone-light", 390, 844, true, "light"},
		{"chat-phone-dark", 390, 844, true, "dark"},
	} {
		t.Run(v.name, func(t *testing.T) {
			room := "Tea " + v.scheme[:1] + fmt.Sprint(v.width)
			do(t, tab, viewport(v.width, v.height, v.mobile, v.scheme), chromedp.Navigate(p.url("/chat")), called("Ada"))
			view(t, tab, v.name+"-empty")
			do(t, tab, script(fmt.Sprintf(`location.hash = encodeURIComponent(%q)`, room)),
				until(fmt.Sprintf(`document.querySelector("#room").textContent === %q`, room)))
			mira, jon := enter(t, url, "Mira", room), enter(t, url, "Jon", room)
			enter(t, url, "Åsa", "Workshop")
			do(t, tab, until(`document.querySelectorAll("#people-list li").length === 3`))
			hear := func(c *talker, text string) {
				c.say(text)
				do(t, tab, until(fmt.Sprintf(`[...document.querySelectorAll(".log .text")].at(-1)?.textContent === %q`, text)))
			}
			hear(mira, "Good morning! The big bell is back from the foundry.")
			hear(mira, "It hangs in the north arch now.")
			hear(jon, "How does it sound?")
			do(t, tab, sent("Like a very polite thunderstorm. I could hear it from across the river, and the windows of the bakery rang along with it for a while."),
				sent("Half past ten it rings again."),
				until(`document.querySelectorAll(".mine.said:not(.waiting)").length === 2`))
			hear(jon, "const strike = (bell) =>\n  bell.swing({ degrees: 42 })")
			hear(mira, "שלום, Γειά σου, Здравствуй!")
			mira.send(request{Do: "name", Name: "Mira of the Tower"})
			do(t, tab, until(`document.querySelector(".log").lastElementChild.textContent.endsWith("is Mira of the Tower now")`))
			hear(jon, "See you there.")
			view(t, tab, v.name)
			if width := evaluate[int64](t, tab, `document.documentElement.scrollWidth`); width > v.width {
				t.Errorf("the page is %d pixels wide", width)
			}
			if !evaluate[bool](t, tab, `document.documentElement.scrollHeight <= innerHeight && document.querySelector("#send").getBoundingClientRect().bottom <= innerHeight`) {
				t.Error("the message box is not in view")
			}
			if v.mobile {
				do(t, tab, chromedp.Click(chromedp.CSS("#show-rooms")), until(`document.querySelector("#rooms").getBoundingClientRect().left === 0`))
				view(t, tab, v.name+"-rooms")
				do(t, tab, chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#rooms").getBoundingClientRect().right <= 0`),
					chromedp.Click(chromedp.CSS("#show-people")), until(`document.querySelector("#people").getBoundingClientRect().right === innerWidth`))
				view(t, tab, v.name+"-people")
			}
			heard.expectNone(t)
		})
	}
}

// aboutThePage skips, under the race detector, a test of what the page does in the
// browser: the server's part in it is that of the other tests, and it takes long.
func aboutThePage(t *testing.T) {
	t.Helper()
	if underRace() {
		t.Skip("the page is tested without the race detector")
	}
}
