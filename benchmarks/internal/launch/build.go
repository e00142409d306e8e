// Package launch builds the programs that are measured, starts them pinned to a
// CPU, and ends them.
package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carillon-go/carillon/benchmarks/peers"
)

// buildTime bounds one build, from empty caches.
const buildTime = 10 * time.Minute

// Build compiles s into the folder dir and returns the path of the program. It
// must run somewhere in the module benchmarks. A C program needs gcc.
func Build(ctx context.Context, dir string, s peers.Server) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	out := filepath.Join(dir, s.Name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, s.Package)
	if s.Package == "" {
		cmd = exec.CommandContext(ctx, "gcc", "-O2", "-o", out, "-x", "c", "-")
		cmd.Stdin = bytes.NewReader(s.Source)
	}
	said, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound) && s.Package == "":
		return "", fmt.Errorf("build %s: %w; install gcc and libc6-dev, or leave it out of -servers", s.Name, err)
	case ctx.Err() != nil:
		return "", fmt.Errorf("build %s: %w", s.Name, ctx.Err())
	case err != nil:
		return "", fmt.Errorf("build %s (run this from the folder benchmarks): %w\n%s", s.Name, err, said)
	}
	return out, nil
}
