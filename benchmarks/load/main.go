// Command load is the load generator: it reads jobs from stdin, a line of JSON each,
// and writes what they gave to stdout, likewise (gen.Order, gen.Reply). The runner
// starts it on a CPU of its own. By hand:
//
//	echo '{"Job":{"Kind":"closed","Addr":"127.0.0.1:8080","Path":"/plaintext","Connections":64,
//	"Want":"SGVsbG8sIFdvcmxkIQ==","Time":2000000000}}' | GOMAXPROCS=1 taskset -c 1 go run ./load
//
// Want and Body are base64, times nanoseconds.
package main

import (
	"context"
	"io"
	"os"

	"github.com/carillon-go/carillon/benchmarks/internal/command"
	"github.com/carillon-go/carillon/benchmarks/internal/gen"
)

func main() {
	command.Main("load", func([]string, io.Writer) (func(context.Context) error, error) {
		return func(ctx context.Context) error { return gen.Serve(ctx, os.Stdin, os.Stdout) }, nil
	})
}
