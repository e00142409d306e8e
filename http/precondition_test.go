package static

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	strongTag = `"abc-1"`
	dated     = 784111777 // Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example
	onTime    = "Sun, 06 Nov 1994 08:49:37 GMT"
	before    = "Sun, 06 Nov 1994 08:49:36 GMT"
	after     = "Sun, 06 Nov 1994 08:49:38 GMT"
)

// field is a header field as conditions keep it: nil when absent.
func field(s string) []byte {
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
		modified                                      int64
		want                                          outcome
	}{
		{name: "no condition", want: proceed},
		{name: "13.1.1 same tag", match: strongTag, want: proceed},
		{name: "13.1.1 star", match: "*", want: proceed},
		{name: "13.1.1 one of a list", match: `"x", ` + strongTag, want: proceed},
		{name: "13.1.1 other tag", match: `"x"`, want: failed},
		{name: "13.1.1 weak never matches", match: "W/" + strongTag, want: failed},
		{name: "13.1.1 weak current never matches", match: "W/" + strongTag, etag: "W/" + strongTag, want: failed},
		{name: "13.1.1 no tag at all", match: "abc-1", want: failed},
		{name: "13.1.2 same tag", noneMatch: strongTag, want: notModified},
		{name: "13.1.2 weak matches", noneMatch: "W/" + strongTag, want: notModified},
		{name: "13.1.2 weak current matches", noneMatch: strongTag, etag: "W/" + strongTag, want: notModified},
		{name: "13.1.2 star", noneMatch: " * ", want: notModified},
		{name: "13.1.2 other tag", noneMatch: `"x", "y"`, want: proceed},
		{name: "13.1.2 list with empty elements", noneMatch: ` , "x",,` + strongTag + ",", want: notModified},
		{name: "13.1.2 comma inside a tag", noneMatch: `"a,b", ` + strongTag, want: notModified},
		{name: "13.1.2 tags without comma", noneMatch: `"x" ` + strongTag, want: proceed},
		{name: "13.1.2 open quote", noneMatch: `"abc-1`, want: proceed},
		{name: "13.1.2 tag with a blank is none", noneMatch: `"abc -1", ` + strongTag, want: proceed},
		{name: "13.1.3 not since", modifiedSince: onTime, want: notModified},
		{name: "13.1.3 later date", modifiedSince: after, want: notModified},
		{name: "13.1.3 changed since", modifiedSince: before, want: proceed},
		{name: "13.1.3 no date", modifiedSince: "yesterday", want: proceed},
		{name: "13.1.3 rfc850-date", modifiedSince: "Sunday, 06-Nov-94 08:49:37 GMT", want: notModified},
		{name: "13.1.3 asctime-date", modifiedSince: "Sun Nov  6 08:49:37 1994", want: notModified},
		{name: "13.1.3 other zone is no HTTP-date", modifiedSince: "Sun, 06 Nov 1994 08:49:37 CET", want: proceed},
		{name: "13.1.3 file without a date", modifiedSince: after, modified: noDate, want: proceed},
		{name: "13.1.4 not since", unmodifiedIn: onTime, want: proceed},
		{name: "13.1.4 changed since", unmodifiedIn: before, want: failed},
		{name: "13.1.4 no date", unmodifiedIn: "-1", want: proceed},
		{name: "13.1.4 file without a date", unmodifiedIn: before, modified: noDate, want: proceed},
		{name: "13.2.2 If-Match hides If-Unmodified-Since", match: strongTag, unmodifiedIn: before, want: proceed},
		{name: "13.2.2 If-None-Match hides If-Modified-Since", noneMatch: `"x"`, modifiedSince: after, want: proceed},
		{name: "13.2.2 If-Match first", match: `"x"`, noneMatch: strongTag, want: failed},
		{name: "13.2.2 If-Match true, then If-None-Match", match: strongTag, noneMatch: strongTag, want: notModified},
		{name: "13.2.2 If-Unmodified-Since true, then If-Modified-Since", unmodifiedIn: onTime, modifiedSince: onTime, want: notModified},
	}
	for _, test := range tests {
		v := validators{etag: []byte(strongTag), modified: dated}
		if test.etag != "" {
			v.etag = []byte(test.etag)
		}
		if test.modified != 0 {
			v.modified = test.modified
		}
		c := conditions{ifMatch: field(test.match), ifNoneMatch: field(test.noneMatch),
			ifModifiedSince: field(test.modifiedSince), ifUnmodifiedSince: field(test.unmodifiedIn)}
		if got := c.evaluate(v); got != test.want {
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
		{name: "earlier date", ifRange: before},
		{name: "later date is not the same", ifRange: after},
		{name: "neither", ifRange: "abc"},
		{name: "star", ifRange: "*"},
	}
	for _, test := range tests {
		v := validators{etag: []byte(strongTag), modified: dated}
		if test.etag != "" {
			v.etag = []byte(test.etag)
		}
		if test.now == 0 {
			test.now = dated + 1
		}
		c := conditions{ifRange: field(test.ifRange)}
		if got := c.rangeHolds(v, test.now); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
	c := conditions{ifRange: []byte(onTime)}
	if c.rangeHolds(validators{etag: []byte(strongTag), modified: noDate}, dated+1) {
		t.Error("a date held for a file that has none")
	}
}

func TestValidatorsOf(t *testing.T) {
	at := func(sec, nsec int64) file {
		return file{size: 5, ino: 7, mtime: unix.Timespec{Sec: sec, Nsec: nsec}}
	}
	tag := func(f file, now time.Time) string { return string(validatorsOf(f, now, nil).etag) }
	old := time.Unix(dated+3600, 0)
	base := tag(at(dated, 0), old)
	if base[0] != '"' {
		t.Errorf("ETag of an old file is weak: %s", base)
	}
	changed := map[string]file{"nanosecond": at(dated, 1), "second": at(dated+1, 0)}
	f := at(dated, 0)
	f.size++
	changed["size"] = f
	f = at(dated, 0)
	f.ino++
	changed["inode"] = f
	for what, f := range changed {
		if got := tag(f, old); got == base {
			t.Errorf("another %s, the same ETag %s", what, got)
		}
	}
	if got := tag(at(dated, 0), time.Unix(dated, 999_999_999)); got != "W/"+base {
		t.Errorf("ETag within a second of the change: %s; want W/%s", got, base)
	}
	if got := tag(at(dated, 0), time.Unix(dated+1, 0)); got != base {
		t.Errorf("ETag a second after the change: %s; want %s", got, base)
	}

	dates := []struct {
		f    file
		now  time.Time
		want int64
	}{
		{at(dated, 500), time.Unix(dated, 500), dated},
		{at(dated, 501), time.Unix(dated, 500), noDate}, // 8.8.2.1: never later than Date
		{at(dated+100, 0), time.Unix(dated, 0), noDate},
		{at(0, 0), old, 0},
		{at(-1, 0), old, noDate},
	}
	for _, d := range dates {
		if got := validatorsOf(d.f, d.now, nil).modified; got != d.want {
			t.Errorf("mtime %v at %v: Last-Modified %d; want %d", d.f.mtime, d.now, got, d.want)
		}
	}
}
