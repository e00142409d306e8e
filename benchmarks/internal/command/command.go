// Package command is the main function that the programs of this module have in
// common.
package command

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

// Main has parse read the arguments, and runs what it returns until that ends, or a
// signal ends its context, which stops the servers that it started. Every failure is
// one line on stderr, behind the program's name, and exit status 1; asking for help
// is none.
func Main(name string, parse func(args []string, stderr io.Writer) (run func(context.Context) error, err error)) {
	log.SetFlags(0)
	log.SetPrefix(name + ": ")
	run, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = run(ctx)
	if ctx.Err() != nil {
		log.Fatal("interrupted; the servers are stopped")
	}
	if err != nil {
		log.Fatal(err)
	}
}
