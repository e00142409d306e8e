package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// depth is how many requests a client sends ahead in the pipelined workload, and
// echoSize how many bytes it posts in the workload echo.
const (
	depth    = 16
	echoSize = 1 << 10
)

//go:embed pipeline.lua post.lua
var scripts embed.FS

// workload is one kind of request.
type workload struct {
	name    string
	path    string
	subject string   // path on the subject where it differs; "" else
	script  string   // that wrk runs; "" for a plain GET
	args    []string // of the script
	body    string   // of a POST; "" for a GET
	want    string   // body of the answer
}

var workloads = []workload{
	{name: "plaintext", path: "/plaintext", want: endpoint.Text},
	{name: "pipelined", path: "/plaintext", want: endpoint.Text, script: "pipeline.lua", args: []string{strconv.Itoa(depth)}},
	{name: "json", path: "/json", want: endpoint.JSON},
	{name: "route", path: "/user/4711", want: "4711"},
	{name: "echo", path: "/echo", want: echoBody, body: echoBody, script: "post.lua", args: []string{strconv.Itoa(echoSize)}},
	{name: "offload", path: "/plaintext", subject: "/offload/plaintext", want: endpoint.Text},
}

var echoBody = strings.Repeat("x", echoSize)

func workloadNames() string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return strings.Join(names, "|")
}

func findWorkload(name string) (workload, error) {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
	if i < 0 {
		return workload{}, fmt.Errorf("no workload %q: want %s", name, workloadNames())
	}
	return workloads[i], nil
}

// suits says whether a server can be measured by w.
func (w workload) suits(s peers.Server) bool {
	if w.path == "/plaintext" {
		return s.Has(peers.Plaintext)
	}
	return s.Has(peers.HTTP)
}

func (w workload) pathOn(s peers.Server) string {
	if w.subject != "" && s.Name == peers.Subject {
		return w.subject
	}
	return w.path
}

// writeScript puts the script that wrk shall run into dir.
func (w workload) writeScript(dir string) (string, error) {
	if w.script == "" {
		return "", nil
	}
	text, err := scripts.ReadFile(w.script)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, w.script)
	return path, os.WriteFile(path, text, 0o600)
}

// check makes the request once, so that no wrong answer is measured.
func (w workload) check(ctx context.Context, s *launch.Server) error {
	method, body := http.MethodGet, io.Reader(nil)
	if w.body != "" {
		method, body = http.MethodPost, strings.NewReader(w.body)
	}
	path := w.pathOn(s.Server)
	got, err := s.Do(ctx, method, path, body)
	if err != nil {
		return err
	}
	if err := w.judge(got, time.Now()); err != nil {
		return fmt.Errorf("%s cannot be measured: %s %s: %w", s.Name, method, path, err)
	}
	return nil
}

func (w workload) judge(got launch.Answer, now time.Time) error {
	switch {
	case got.Status == http.StatusNotFound:
		return fmt.Errorf("the server does not offer it (404)")
	case got.Status != http.StatusOK:
		return fmt.Errorf("status %d", got.Status)
	case got.Body != w.want:
		return fmt.Errorf("answer %.60q, want %.60q", got.Body, w.want)
	case got.Header.Get("Server") == "":
		return fmt.Errorf("no Server header")
	case got.Header.Get("Content-Length") == "":
		return fmt.Errorf("no Content-Length header")
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
