package launch

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/carillon-go/carillon/benchmarks/peers"
)

// configure writes the config of s into a temporary folder, and returns that and
// the command line that names it. Without a config there is no folder.
func configure(s peers.Server, port int) (dir string, args []string, err error) {
	if s.Config == nil {
		return "", s.Args, nil
	}
	if dir, err = os.MkdirTemp("", s.Name); err != nil {
		return "", nil, err
	}
	if args, err = fillIn(s, dir, port); err != nil {
		removeAll(dir)
		return "", nil, fmt.Errorf("configure %s: %w", s.Name, err)
	}
	return dir, args, nil
}

func fillIn(s peers.Server, dir string, port int) (args []string, err error) {
	// Without files to serve the folder of them is one that is not there.
	static, err := filepath.Abs(cmp.Or(os.Getenv("STATIC_DIR"), filepath.Join(dir, "static")))
	if err != nil {
		return nil, err
	}
	values := map[string]string{"DIR": dir, "PORT": strconv.Itoa(port), "STATIC_DIR": static}
	value := func(name string) string { return values[name] }
	for _, a := range s.Args {
		args = append(args, os.Expand(a, value))
	}
	config := os.Expand(string(s.Config), value)
	return args, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600)
}
