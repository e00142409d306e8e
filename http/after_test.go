package http

import (
	"bytes"
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"
)

// What After was given is called for every answer, also for one that was cut.
func TestAfterRunsWhenAnAnswerIsCut(t *testing.T) {
	after := make(chan int, 1)
	onBoth(t, func() *App {
		app := New()
		app.Use(func(next Handler) Handler {
			return func(c *Ctx) error {
				c.After(func(c *Ctx) { after <- c.StatusCode() })
				return next(c)
			}
		})
		app.Get("/torn", func(c *Ctx) error {
			return c.Stream(201, "text/plain", func(s *Stream) error { return errors.Join(s.Flush(), errors.New("lost")) })
		})
		app.Get("/abort", func(c *Ctx) error { panic(nethttp.ErrAbortHandler) })
		app.Get("/async", func(c *Ctx) error {
			a, err := c.Async()
			if err != nil || !c.Awaited() {
				t.Errorf("%v, awaited %v", err, c.Awaited())
			}
			go a.Answer(func(c *Ctx) error {
				return c.Stream(203, "text/plain", func(s *Stream) error { return errors.Join(s.Flush(), errors.New("lost")) })
			})
			return nil
		})
		return app
	}, func(t *testing.T, url string) {
		for path, want := range map[string]int{"/torn": 201, "/abort": 200, "/async": 203} {
			res, err := client(t).Get(url + path)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s: a part was taken for the whole", path)
			}
			if got := <-after; got != want {
				t.Errorf("%s: status %d, want %d", path, got, want)
			}
		}
	})
}

// The time of SetTimeout is the handler's: a request whose answer comes behind it has a client that waits.
func TestAsyncAnswersBehindTheDeadline(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/late", func(c *Ctx) error {
			c.SetTimeout(time.Nanosecond)
			a, err := c.Async()
			if err != nil {
				return err
			}
			go func() {
				<-a.Context().Done()
				if err := a.Answer(func(c *Ctx) error { return c.Text(200, "late") }); err != nil {
					t.Error(err)
				}
			}()
			return nil
		})
		return app
	}, func(t *testing.T, url string) {
		if res, body := fetch(t, client(t), "GET", url+"/late", ""); res.StatusCode != 200 || body != "late" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	})
}

func TestAfterRunsWhenTheClientOfAnAsyncHasLeft(t *testing.T) {
	waiting, after := make(chan *Async, 1), make(chan int, 1)
	app := New()
	app.Get("/", func(c *Ctx) error {
		c.After(func(c *Ctx) { after <- c.StatusCode() })
		a, err := c.Async()
		waiting <- a
		return err
	})
	conn := dial(t, serveApp(t, app))
	send(t, conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	a := <-waiting
	if err := tcpOf(conn).SetLinger(0); err != nil { // a reset: behind a FIN the client may still read
		t.Fatal(err)
	}
	conn.Close()
	<-a.Context().Done()
	if err := a.Answer(func(*Ctx) error { return nil }); !errors.Is(err, ErrClientGone) {
		t.Error(err)
	}
	if got := <-after; got != clientClosed {
		t.Error(got)
	}
}

// upper is a Filter that shouts.
type upper struct{}

type upperWriter struct{ w io.Writer }

func (upper) Whole(_ *Ctx, body []byte) ([]byte, error) { return bytes.ToUpper(body), nil }

func (upper) Stream(c *Ctx, next io.Writer) FilterWriter {
	_ = c.SetHeader("X-Upper", c.Method())
	return upperWriter{next}
}

func (u upperWriter) Write(p []byte) (int, error) { return u.w.Write(bytes.ToUpper(p)) }
func (u upperWriter) Flush() error                { return nil }
func (u upperWriter) Close() error                { return nil }

// RFC 9110 section 9.3.2: HEAD has the header lines of GET.
func TestFiltersSeeStreamsOfHEAD(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Use(func(next Handler) Handler {
			return func(c *Ctx) error {
				c.AddFilter(upper{})
				return next(c)
			}
		})
		app.Get("/", func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error { _, err := s.WriteString("abc"); return err })
		})
		return app
	}, func(t *testing.T, url string) {
		for method, want := range map[string]string{"GET": "ABC", "HEAD": ""} {
			if res, body := fetch(t, client(t), method, url, ""); res.Header.Get("X-Upper") != method || body != want {
				t.Errorf("%s: %q %v", method, body, res.Header)
			}
		}
	})
}

// A body that middleware decodes can be read on a loop, where all of it is there.
func TestReplacedBodyOfAnInlineRoute(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		replaced := func(c *Ctx) error {
			c.ReplaceBody(io.MultiReader(strings.NewReader("<"), c.BodyReader(), strings.NewReader(">")))
			body, err := c.Body()
			if err != nil {
				return err
			}
			return c.Text(200, string(body))
		}
		app.Post("/", replaced, Inline)
		app.Post("/goroutine", replaced)
		return app
	}, func(t *testing.T, url string) {
		if res, body := fetch(t, client(t), "POST", url+"/goroutine", "abc"); res.StatusCode != 200 || body != "<abc>" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
		if res, body := fetch(t, client(t), "POST", url, "abc"); res.StatusCode != 200 || body != "<abc>" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	})
}

func TestResponseHeadersAreYielded(t *testing.T) {
	app := New()
	app.Get("/", func(c *Ctx) error {
		err := errors.Join(c.AddHeader("A", "1"), c.AddHeader("b", "2"), c.AddHeader("A", "3"))
		var got []string
		for name, value := range c.ResponseHeaders() {
			got = append(got, name+"="+value)
		}
		return errors.Join(err, c.Text(200, strings.Join(got, " ")))
	})
	if _, body := fetch(t, client(t), "GET", "http://"+serveApp(t, app), ""); body != "A=1 b=2 A=3" {
		t.Errorf("%q", body)
	}
}
