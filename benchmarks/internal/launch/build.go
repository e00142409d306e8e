// Package launch builds the programs that are measured, starts them pinned to a
// CPU, and ends them.
package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	gobuild "go/build"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/carillon-go/carillon/benchmarks/peers"
)

// buildTime bounds one build, from empty caches.
const buildTime = 10 * time.Minute

// folders are where an installed program may be although it is not in $PATH: that
// has them for root alone, or forgets what "go install" installs.
func folders() []string {
	return []string{"/usr/sbin", "/usr/local/sbin", filepath.Join(gobuild.Default.GOPATH, "bin")}
}

// Build compiles s into the folder dir and returns the path of the program. It
// must run somewhere in the module benchmarks. A C program needs gcc. An installed
// program is only looked up. The error is exec.ErrNotFound where gcc or that
// program is missing.
func Build(ctx context.Context, dir string, s peers.Server) (string, error) {
	if s.Program != "" {
		return find(s)
	}
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	out := filepath.Join(dir, s.Name)
	cmd := exec.CommandContext(ctx, "gcc", "-O2", "-o", out, "-x", "c", "-")
	cmd.Stdin = bytes.NewReader(s.Source)
	if s.Package != "" {
		cmd = exec.CommandContext(ctx, "go", "build", "-tags", s.Tags, "-o", out, s.Package)
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

// find looks an installed program up.
func find(s peers.Server) (string, error) {
	path, err := exec.LookPath(s.Program)
	if err == nil {
		return filepath.Abs(path)
	}
	for _, folder := range folders() {
		if path, err := exec.LookPath(filepath.Join(folder, s.Program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: %w; install it, or leave it out of -servers", s.Name, err)
}
