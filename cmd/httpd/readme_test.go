package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var readmeProgram = regexp.MustCompile("(?s)<!-- program: (\\w+) -->\n```go\n(.*?)```\n")

var readmeBlock = regexp.MustCompile("(?s)<!-- run -->\n```sh\n(.*?)```\n")

// What httpd's README tells a newcomer to type is run in its order, but for what is fetched from the network: a folder, a site
// with a config, a reload and an upgrade.
func TestReadmeOfHttpd(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := readmeBlock.FindAllSubmatch(readme, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	dir := t.TempDir()
	file := func(name string) string {
		p, _ := os.ReadFile(filepath.Join(dir, name)) // "" before it is there
		return string(p)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return // they have ended
		}
		_, replaced, _ := strings.Cut(file("httpd.log"), "replaced by=")
		for _, text := range []string{file("httpd.pid"), replaced} {
			if fields := strings.Fields(text); len(fields) > 0 {
				if pid, err := strconv.Atoi(fields[0]); err == nil {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}
		t.Logf("log of httpd:\n%s", file("httpd.log"))
	})
	port, admin := freePort(t), freePort(t)
	for admin == port {
		admin = freePort(t)
	}
	sh := func(text string) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", text)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "HTTPD_LISTEN=127.0.0.1:"+port)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", text, err, out)
		}
	}
	here := func(text string) string {
		return strings.NewReplacer(":8080", "127.0.0.1:"+port, "127.0.0.1:9090", "127.0.0.1:"+admin).Replace(text)
	}
	for _, block := range blocks {
		pending := ""
		for line := range strings.Lines(here(string(block[1]))) {
			switch {
			case strings.HasPrefix(line, "go install "):
			case strings.HasPrefix(line, "kill -HUP"):
				sh(line)
				awaitText(t, "the reload", func() bool { return strings.Contains(file("httpd.log"), "config reloaded") })
			case strings.HasPrefix(line, "kill -USR2"):
				sh(line)
				awaitText(t, "the upgrade", func() bool { return strings.Contains(file("httpd.log"), "replaced by=") })
			case strings.HasPrefix(line, "httpd ") && !strings.HasPrefix(line, "httpd check"):
				sh(pending)
				pending = ""
				if strings.Contains(line, "&") {
					sh(line)
					awaitText(t, "the announcement", func() bool { return strings.Contains(file("httpd.log"), "Ctrl-C stops.") })
					continue
				}
				p := startIn(t, dir, append(strings.Fields(line)[1:], "-l", "127.0.0.1:"+port)...)
				if status, body := get(t, p.url("/")); status != 200 || string(body) != "<h1>Hello</h1>\n" {
					t.Errorf("%s: %d %q", line, status, body)
				}
				p.signal(syscall.SIGTERM)
				p.wait()
			default:
				pending += line
			}
		}
		sh(pending)
	}
	if status, body := get(t, "http://127.0.0.1:"+port+"/"); status != 200 || string(body) != "<h1>Hello</h1>\n" {
		t.Errorf("behind the upgrade: %d %q", status, body)
	}
	last, err := os.FindProcess(successor(t, file("httpd.log")[strings.Index(file("httpd.log"), "replaced by="):]))
	if err != nil {
		t.Fatal(err)
	}
	if err := last.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	awaitText(t, "the end", func() bool { return last.Signal(syscall.Signal(0)) != nil })
}

// awaitText waits for what a process that is no child of the test writes, or does.
func awaitText(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// freePort is one that was free just now, for what has to name its port before it listens. It is drawn by lot from those
// below what Linux gives to who asks for any: the tests beside this one do.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(10_000 + rand.IntN(22_000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		return port
	}
}

// The README's programs are built as it tells a newcomer to, in a module of
// their own beside the checkout.
func TestReadmePrograms(t *testing.T) {
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := readmeProgram.FindAllSubmatch(readme, -1)
	if len(programs) != bytes.Count(readme, []byte("\n```go\n")) || len(programs) == 0 {
		t.Fatalf("%d programs are marked, but not all of the README's Go", len(programs))
	}
	for _, program := range programs {
		t.Run(string(program[1]), func(t *testing.T) {
			dir := t.TempDir()
			inModule := func(args ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), "go", args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOWORK=off")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("go %v: %v\n%s", args, err, out)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "main.go"), program[2], 0o644); err != nil {
				t.Fatal(err)
			}
			inModule("mod", "init", "hello")
			inModule("mod", "edit", "-replace", "github.com/carillon-go/carillon="+checkout)
			inModule("mod", "tidy")
			inModule("vet", ".")
			inModule("build", "-o", os.DevNull, ".")
		})
	}
}
