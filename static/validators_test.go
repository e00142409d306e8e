package static

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

const (
	dated  = 784111777 // Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example
	onTime = "Sun, 06 Nov 1994 08:49:37 GMT"
	before = "Sun, 06 Nov 1994 08:49:36 GMT"
	after  = "Sun, 06 Nov 1994 08:49:38 GMT"
)

func TestValidatorsOf(t *testing.T) {
	at := func(sec, nsec int64) file {
		return file{size: 5, ino: 7, mtime: unix.Timespec{Sec: sec, Nsec: nsec}}
	}
	validatorsOf := func(of file, now time.Time) http.Validators {
		m := &form{file: of}
		if err := new(Files).describe(m, "a.txt", now); err != nil {
			t.Fatal(err)
		}
		return m.validators
	}
	tag := func(f file, now time.Time) string { return validatorsOf(f, now).ETag }
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
		want time.Time
	}{
		{at(dated, 500), time.Unix(dated, 500), time.Unix(dated, 0)},
		{at(dated, 501), time.Unix(dated, 500), time.Time{}}, // 8.8.2.1: never later than Date
		{at(dated+100, 0), time.Unix(dated, 0), time.Time{}},
		{at(0, 0), old, time.Unix(0, 0)},
		{at(-1, 0), old, time.Time{}},
	}
	for _, d := range dates {
		if got := validatorsOf(d.f, d.now).Modified; !got.Equal(d.want) {
			t.Errorf("mtime %v at %v: Last-Modified %v; want %v", d.f.mtime, d.now, got, d.want)
		}
	}
}
