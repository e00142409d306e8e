package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// call runs httpd to its end, for calls that serve nothing.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestFailuresAreOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	bad, rootless := filepath.Join(dir, "bad.toml"), filepath.Join(dir, "rootless.toml")
	for name, text := range map[string]string{
		bad:      "[[site]]\nhots = [\"a\"]\n",
		rootless: "[[site]]\nhosts = [\"a\"]\nroot = \"missing\"\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	tests := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"port in use", []string{"-l", taken.Addr().String(), dir}, 1, []string{taken.Addr().String(), "in use"}},
		{"port in use, second listener", []string{"-l", "127.0.0.1:0", "-l", taken.Addr().String(), dir}, 1, []string{taken.Addr().String(), "in use"}},
		{"port in use, demo", []string{"demo", "-l", taken.Addr().String()}, 1, []string{taken.Addr().String(), "in use"}},
		{"address of another machine", []string{"-l", "192.0.2.1:0", dir}, 1, []string{"192.0.2.1:0"}},
		{"socket in a missing folder", []string{"-l", "unix:" + missing + "/s", dir}, 1, []string{"unix:" + missing + "/s", "no such file"}},
		{"missing DIR", []string{"-l", "127.0.0.1:0", missing}, 1, []string{missing, "no such file or directory"}},
		{"DIR is a file", []string{"-l", "127.0.0.1:0", file}, 1, []string{file, "not a directory"}},
		{"DIR with a line break", []string{"-l", "127.0.0.1:0", dir + "/a\nb"}, 1, []string{"no such file or directory"}},
		{"unknown flag", []string{"--frobnicate"}, 2, []string{"--frobnicate"}},
		{"unknown short flag", []string{"-x"}, 2, []string{"-x"}},
		{"unknown flag of demo", []string{"demo", "--frobnicate"}, 2, []string{"--frobnicate", "httpd demo --help"}},
		{"flag without value", []string{"--listen"}, 2, []string{"--listen"}},
		{"two DIRs", []string{dir, dir}, 2, []string{"at most 1"}},
		{"demo takes no DIR", []string{"demo", dir}, 2, []string{dir}},
		{"no port", []string{"-l", "127.0.0.1"}, 2, []string{"127.0.0.1", "HOST:PORT"}},
		{"port too large", []string{"-l", "127.0.0.1:65536"}, 2, []string{"65536"}},
		{"port by name", []string{"-l", "127.0.0.1:http"}, 2, []string{`"http"`, "65535"}},
		{"IPv6 without brackets", []string{"-l", "::1:8080"}, 2, []string{"::1:8080"}},
		{"URL of another scheme", []string{"-l", "ftp://127.0.0.1:8080"}, 2, []string{"ftp://127.0.0.1:8080"}},
		{"URL with a path", []string{"-l", "https://127.0.0.1:8080/"}, 2, []string{"8080/"}},
		{"host with a blank", []string{"-l", "a b:80"}, 2, []string{"a b"}},
		{"socket without path", []string{"-l", "unix:"}, 2, []string{"unix:"}},
		{"socket with a path that is too long", []string{"-l", "unix:/" + strings.Repeat("x", 200)}, 2, []string{"longer"}},
		{"log format", []string{"--log", "xml"}, 2, []string{"xml", "text, json, combined or off"}},
		{"drain", []string{"--drain", "soon"}, 2, []string{"soon"}},
		{"completion for another shell", []string{"completion", "nosuchshell"}, 2, []string{`"nosuchshell"`, "bash, zsh, fish or powershell", "httpd completion --help"}},
		{"completion for no shell", []string{"completion"}, 2, []string{"bash, zsh, fish or powershell"}},
		{"completion for two shells", []string{"completion", "bash", "zsh"}, 2, []string{"one shell"}},
		{"help with another command", []string{"help", "nope"}, 2, []string{`"nope"`, "httpd help --help"}},
		{"help with a command of a command", []string{"help", "demo", "nope"}, 2, []string{`"demo nope"`}},
		{"help with a flag", []string{"help", "--frobnicate"}, 2, []string{"--frobnicate"}},
		{"drain below zero", []string{"--drain", "-1s"}, 2, []string{"-1s"}},
		{"network", []string{"--trusted-proxies", "here"}, 2, []string{"here", "10.0.0.0/8"}},
		{"missing config", []string{"-c", missing}, 1, []string{missing, "no such file"}},
		{"config that is a folder", []string{"-c", dir}, 1, []string{"is a directory"}},
		{"bad config", []string{"-c", bad}, 1, []string{bad + ":2: site.hots: ", "did you mean site.hosts?"}},
		{"bad config, checked", []string{"check", "-c", bad}, 1, []string{bad + ":2: site.hots: "}},
		{"missing root of a config", []string{"check", "-c", rootless}, 1, []string{rootless + ":3: site.root: ", "no such file"}},
		{"no socket of systemd", []string{"-l", "systemd", dir}, 1, []string{"LISTEN_FDS"}},
		{"serve with two DIRs", []string{"serve", dir, dir}, 2, []string{"at most 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := call(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if stdout != "" {
				t.Errorf("stdout: %q", stdout)
			}
			if !strings.HasPrefix(stderr, "httpd: ") || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
				t.Errorf("want one line from httpd on stderr, got %q", stderr)
			}
			for _, word := range []string{"goroutine", "panic", "Usage", "httpd: httpd"} {
				if strings.Contains(stderr, word) {
					t.Errorf("%q in %q", word, stderr)
				}
			}
			for _, word := range tt.says {
				if !strings.Contains(stderr, word) {
					t.Errorf("no %q in %q", word, stderr)
				}
			}
		})
	}
}

func TestCallsThatOnlyPrint(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"help", []string{"--help"}, []string{"httpd [DIR]", "--listen ADDR", "--drain", "demo"}},
		{"help of demo", []string{"demo", "--help"}, []string{"httpd demo", "--listen ADDR"}},
		{"version", []string{"--version"}, []string{"httpd ", "go1."}},
		{"help command", []string{"help"}, []string{"httpd [DIR]", "--listen ADDR", "--drain", "demo"}},
		{"help with demo", []string{"help", "demo"}, []string{"httpd demo", "--listen ADDR"}},
		{"help with help", []string{"help", "help"}, []string{"httpd help [COMMAND]"}},
		{"bash completion", []string{"completion", "bash"}, []string{"bash completion", "__complete"}},
		{"zsh completion", []string{"completion", "zsh"}, []string{"#compdef httpd"}},
		{"fish completion", []string{"completion", "fish"}, []string{"complete -c httpd"}},
		{"powershell completion", []string{"completion", "powershell"}, []string{"Register-ArgumentCompleter"}},
		{"completion of completion", []string{"__complete", "completion", ""}, []string{"bash\n", "zsh\n", "fish\n", "powershell\n"}},
		{"completion of help", []string{"__complete", "help", ""}, []string{"demo\t", "completion\t"}},
		{"version command", []string{"version"}, []string{"httpd ", "go1."}},
		{"help with config", []string{"help", "config"}, []string{"[[site.proxy]]", "site.redirect.from", "trusted_proxies"}},
		{"manual page", []string{"man"}, []string{".TH \"HTTPD\" \"1\"", "HTTPD_HEADER_TIMEOUT"}},
		{"check", []string{"check", "-l", ":9", "--drain", "3s"}, []string{"listen = [\":9\"]", "drain = \"3s\"", "root = \".\""}},
		{"completion of --log", []string{"__complete", "--log", ""}, []string{"text\n", "off\n"}},
		{"completion of DIR", []string{"__complete", "./"}, []string{":16\n"}}, // ShellCompDirectiveFilterDirs
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := call(t, tt.args...)
			if code != 0 {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			for _, word := range tt.want {
				if !strings.Contains(stdout, word) {
					t.Errorf("no %q in %q", word, stdout)
				}
			}
		})
	}
}
