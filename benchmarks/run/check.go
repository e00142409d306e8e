package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/gen"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
)

// check makes a workload's request once, by Go's own client, so that nobody is
// measured who leaves away what the others send. The load looks at WebSocket itself.
func (s *session) check(w *workload, target *server) error {
	j := w.jobOn(s, target)
	if j.Kind == gen.Echo || j.Kind == gen.Broadcast {
		return nil
	}
	if j.WantFile != "" {
		text, err := os.ReadFile(j.WantFile)
		if err != nil {
			return err
		}
		j.Want = text
	}
	method, body := http.MethodGet, io.Reader(nil)
	if j.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(j.Body)
	}
	got, err := target.Do(s.ctx, method, j.Path, body)
	if err != nil {
		return err
	}
	if err := judge(got, j.Want, time.Now()); err != nil {
		return fmt.Errorf("%s %s: %w", method, j.Path, err)
	}
	return nil
}

func judge(got launch.Answer, want []byte, now time.Time) error {
	switch {
	case got.Status == http.StatusNotFound:
		return errors.New("the server does not offer it (404)")
	case got.Status != http.StatusOK:
		return fmt.Errorf("status %d", got.Status)
	case got.Body != string(want):
		return fmt.Errorf("answer %.60q, want %.60q", got.Body, want)
	case got.Header.Get("Server") == "":
		return errors.New("no Server header")
	case got.Header.Get("Content-Length") == "":
		return errors.New("no Content-Length header")
	}
	date, err := http.ParseTime(got.Header.Get("Date"))
	if err != nil {
		return fmt.Errorf("no Date header: %w", err)
	}
	if age := now.Sub(date); age < -2*time.Second || age > 3*time.Second {
		return fmt.Errorf("a Date of %v ago", age)
	}
	return nil
}
