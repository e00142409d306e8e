package http

import (
	nethttp "net/http"
	"testing"
	"time"
)

const (
	strongTag  = `"abc-1"`
	dated      = 784111777 // Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example
	onTime     = "Sun, 06 Nov 1994 08:49:37 GMT"
	earlier    = "Sun, 06 Nov 1994 08:49:36 GMT"
	afterwards = "Sun, 06 Nov 1994 08:49:38 GMT"
)

// fieldOf is a header field as conditions keep it: nil when absent.
func fieldOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// The order of RFC 9110, 13.2.2, and the rules of 13.1.1 to 13.1.4.
func TestEvaluate(t *testing.T) {
	tests := []struct {
		name                                          string
		match, noneMatch, modifiedSince, unmodifiedIn string
		etag                                          string
		undated                                       bool
		writes                                        bool
		absent                                        bool
		want                                          Outcome
	}{
		{name: "no condition", want: Proceed},
		{name: "13.1.1 same tag", match: strongTag, want: Proceed},
		{name: "13.1.1 star", match: "*", want: Proceed},
		{name: "13.1.1 one of a list", match: `"x", ` + strongTag, want: Proceed},
		{name: "13.1.1 other tag", match: `"x"`, want: PreconditionFailed},
		{name: "13.1.1 weak never matches", match: "W/" + strongTag, want: PreconditionFailed},
		{name: "13.1.1 weak current never matches", match: "W/" + strongTag, etag: "W/" + strongTag, want: PreconditionFailed},
		{name: "13.1.1 no tag at all", match: "abc-1", want: PreconditionFailed},
		{name: "13.1.2 same tag", noneMatch: strongTag, want: NotModified},
		{name: "13.1.2 weak matches", noneMatch: "W/" + strongTag, want: NotModified},
		{name: "13.1.2 weak current matches", noneMatch: strongTag, etag: "W/" + strongTag, want: NotModified},
		{name: "13.1.2 star", noneMatch: " * ", want: NotModified},
		{name: "13.1.2 other tag", noneMatch: `"x", "y"`, want: Proceed},
		{name: "13.1.2 list with empty elements", noneMatch: ` , "x",,` + strongTag + ",", want: NotModified},
		{name: "13.1.2 comma inside a tag", noneMatch: `"a,b", ` + strongTag, want: NotModified},
		{name: "13.1.2 tags without comma", noneMatch: `"x" ` + strongTag, want: Proceed},
		{name: "13.1.2 open quote", noneMatch: `"abc-1`, want: Proceed},
		{name: "13.1.2 tag with a blank is none", noneMatch: `"abc -1", ` + strongTag, want: Proceed},
		{name: "13.1.3 not since", modifiedSince: onTime, want: NotModified},
		{name: "13.1.3 later date", modifiedSince: afterwards, want: NotModified},
		{name: "13.1.3 changed since", modifiedSince: earlier, want: Proceed},
		{name: "13.1.3 no date", modifiedSince: "yesterday", want: Proceed},
		{name: "13.1.3 rfc850-date", modifiedSince: "Sunday, 06-Nov-94 08:49:37 GMT", want: NotModified},
		{name: "13.1.3 asctime-date", modifiedSince: "Sun Nov  6 08:49:37 1994", want: NotModified},
		{name: "13.1.3 other zone is no HTTP-date", modifiedSince: "Sun, 06 Nov 1994 08:49:37 CET", want: Proceed},
		{name: "13.1.3 file without a date", modifiedSince: afterwards, undated: true, want: Proceed},
		{name: "13.1.4 not since", unmodifiedIn: onTime, want: Proceed},
		{name: "13.1.4 changed since", unmodifiedIn: earlier, want: PreconditionFailed},
		{name: "13.1.4 no date", unmodifiedIn: "-1", want: Proceed},
		{name: "13.1.4 file without a date", unmodifiedIn: earlier, undated: true, want: Proceed},
		{name: "13.1.1 star, and nothing there", match: "*", absent: true, want: PreconditionFailed},
		{name: "13.1.2 star, and nothing there", noneMatch: "*", absent: true, writes: true, want: Proceed},
		{name: "13.1.2 star on writing over", noneMatch: "*", writes: true, want: PreconditionFailed},
		{name: "13.1.2 same tag on writing", noneMatch: strongTag, writes: true, want: PreconditionFailed},
		{name: "13.1.3 is for GET and HEAD", modifiedSince: onTime, writes: true, want: Proceed},
		{name: "13.1.4 changed since, on writing", unmodifiedIn: earlier, writes: true, want: PreconditionFailed},
		{name: "13.2.2 If-Match hides If-Unmodified-Since", match: strongTag, unmodifiedIn: earlier, want: Proceed},
		{name: "13.2.2 If-None-Match hides If-Modified-Since", noneMatch: `"x"`, modifiedSince: afterwards, want: Proceed},
		{name: "13.2.2 If-Match first", match: `"x"`, noneMatch: strongTag, want: PreconditionFailed},
		{name: "13.2.2 If-Match true, then If-None-Match", match: strongTag, noneMatch: strongTag, want: NotModified},
		{name: "13.2.2 If-Unmodified-Since true, then If-Modified-Since", unmodifiedIn: onTime, modifiedSince: onTime, want: NotModified},
	}
	for _, test := range tests {
		v := Validators{ETag: strongTag, Modified: time.Unix(dated, 0), Absent: test.absent}
		if test.etag != "" {
			v.ETag = test.etag
		}
		if test.undated {
			v.Modified = time.Time{}
		}
		c := conditions{ifMatch: fieldOf(test.match), ifNoneMatch: fieldOf(test.noneMatch),
			ifModifiedSince: fieldOf(test.modifiedSince), ifUnmodifiedSince: fieldOf(test.unmodifiedIn)}
		if got := c.evaluate(v, !test.writes); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

func TestRangeHolds(t *testing.T) {
	tests := []struct {
		name, ifRange, etag string
		now                 int64
		want                bool
	}{
		{name: "no If-Range", want: true},
		{name: "same tag", ifRange: strongTag, want: true},
		{name: "other tag", ifRange: `"x"`},
		{name: "a list is not allowed", ifRange: strongTag + `, "x"`},
		{name: "weak tag", ifRange: "W/" + strongTag, etag: "W/" + strongTag},
		{name: "tag against weak current", ifRange: strongTag, etag: "W/" + strongTag},
		{name: "same date", ifRange: onTime, want: true},
		{name: "same date, other form", ifRange: "Sunday, 06-Nov-94 08:49:37 GMT", want: true},
		{name: "same date, its second not over", ifRange: onTime, now: dated},
		{name: "earlier date", ifRange: earlier},
		{name: "after date is not the same", ifRange: afterwards},
		{name: "neither", ifRange: "abc"},
		{name: "star", ifRange: "*"},
	}
	for _, test := range tests {
		v := Validators{ETag: strongTag, Modified: time.Unix(dated, 0)}
		if test.etag != "" {
			v.ETag = test.etag
		}
		if test.now == 0 {
			test.now = dated + 1
		}
		if got := v.rangeHolds(fieldOf(test.ifRange), test.now); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
	v := Validators{ETag: strongTag}
	if v.rangeHolds([]byte(onTime), dated+1) {
		t.Error("a date held for a file that has none")
	}
}

// CheckPreconditions as handlers use it: reading, writing over a known state, and creating.
func TestCheckPreconditions(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		v := Validators{ETag: strongTag, Modified: time.Unix(dated, 0)}
		check := func(v Validators) Handler {
			return func(c *Ctx) error {
				if done, err := c.CheckPreconditions(v); done || err != nil {
					return err
				}
				return c.Text(200, "handled")
			}
		}
		app.Any("/there", check(v))
		app.Any("/absent", check(Validators{Absent: true}))
		app.Get("/bad", check(Validators{ETag: "abc"}))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for _, tc := range []struct {
			clause, method, path string
			lines                []string // name, value
			code                 int
			etag                 string
		}{
			{"no condition", "GET", "/there", nil, 200, strongTag},
			{"13.1.2, GET", "GET", "/there", []string{"If-None-Match", strongTag}, 304, strongTag},
			{"13.1.2, HEAD", "HEAD", "/there", []string{"If-None-Match", strongTag}, 304, strongTag},
			{"13.1.2, PUT", "PUT", "/there", []string{"If-None-Match", "*"}, 412, ""},
			{"13.1.2, PUT of what is not there", "PUT", "/absent", []string{"If-None-Match", "*"}, 200, ""},
			{"13.1.1, PUT", "PUT", "/there", []string{"If-Match", strongTag}, 200, ""},
			{"13.1.1, a lost update", "PUT", "/there", []string{"If-Match", `"old"`}, 412, ""},
			{"13.1.1, PUT of what is not there", "PUT", "/absent", []string{"If-Match", "*"}, 412, ""},
			{"13.1.4, DELETE", "DELETE", "/there", []string{"If-Unmodified-Since", earlier}, 412, ""},
			{"13.1.3, POST", "POST", "/there", []string{"If-Modified-Since", afterwards}, 200, ""},
			{"13.2.1, TRACE", "TRACE", "/there", []string{"If-Match", `"old"`}, 200, ""},
			{"5.3, a list in two lines", "GET", "/there", []string{"If-None-Match", `"x"`, "if-none-match", strongTag}, 304, strongTag},
			{"8.8.3, no entity tag", "GET", "/bad", nil, 500, ""},
		} {
			req, err := nethttp.NewRequest(tc.method, url+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(tc.lines); i += 2 {
				req.Header.Add(tc.lines[i], tc.lines[i+1])
			}
			res, _ := do(t, c, req)
			if res.StatusCode != tc.code || res.Header.Get("ETag") != tc.etag || (res.Header.Get("Last-Modified") != "") != (tc.etag != "") {
				t.Errorf("%s: %d %v; want %d %s", tc.clause, res.StatusCode, res.Header, tc.code, tc.etag)
			}
		}
	})
}

func TestPreconditionsDoNotAllocate(t *testing.T) {
	c := ctxFor(t, "GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"x\"\r\nIf-Match: \"abc-1\"\r\nRange: bytes=1-2\r\n\r\n")
	v := Validators{ETag: strongTag, Modified: time.Unix(dated, 0)}
	n := testing.AllocsPerRun(100, func() {
		again(c)
		if done, err := c.CheckPreconditions(v); done || err != nil {
			t.Fatal(err)
		}
		if part, partial, err := c.SelectRange(10, v); part != (Range{1, 2}) || !partial || err != nil {
			t.Fatal(part, err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
