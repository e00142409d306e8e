package launch

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// configure writes the config of s, and a certificate, into a temporary folder, and returns that and
// the command line that names it. Without a config there is no folder. env is what is
// added to the environment.
func configure(s peers.Server, port int, env []string) (dir string, args []string, err error) {
	if s.Config == nil {
		return "", s.Args, nil
	}
	if dir, err = os.MkdirTemp("", s.Name); err != nil {
		return "", nil, err
	}
	if args, err = fillIn(s, dir, port, env); err != nil {
		removeAll(dir)
		return "", nil, fmt.Errorf("configure %s: %w", s.Name, err)
	}
	return dir, args, nil
}

func fillIn(s peers.Server, dir string, port int, env []string) (args []string, err error) {
	// Without files to serve the folder of them is one that is not there.
	static, err := filepath.Abs(cmp.Or(lookup(env, "STATIC_DIR"), os.Getenv("STATIC_DIR"), filepath.Join(dir, "static")))
	if err != nil {
		return nil, err
	}
	values := map[string]string{"DIR": dir, "PORT": strconv.Itoa(port), "STATIC_DIR": static}
	if lookup(env, "TLS") == "1" {
		values["SSL"] = "ssl"
	}
	if err := endpoint.WriteCertificate(dir); err != nil {
		return nil, err
	}
	value := func(name string) string { return values[name] }
	for _, a := range s.Args {
		args = append(args, os.Expand(a, value))
	}
	config := os.Expand(string(s.Config), value)
	return args, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600)
}

// lookup finds the last NAME=value of that name; "" without.
func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
