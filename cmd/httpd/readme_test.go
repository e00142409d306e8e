package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

var readmeProgram = regexp.MustCompile("(?s)<!-- program: (\\w+) -->\n```go\n(.*?)```\n")

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
