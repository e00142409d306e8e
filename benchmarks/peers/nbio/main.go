// Command nbio is github.com/lesismal/nbio's HTTP server, measured beside
// Carillon: by default with a goroutine of its pool for each batch of requests,
// with -inline on the poller's goroutine.
package main

import (
	"flag"
	"log"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

func main() {
	inline := flag.Bool("inline", false, "run handlers on the poller's goroutine")
	flag.Parse()
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal("nbio: ", err)
	}
	logging.SetLevel(logging.LevelError)
	config := nbhttp.Config{
		Network:           "tcp",
		Addrs:             []string{addr},
		Handler:           stdhandler.New("nbio"),
		NPoller:           runtime.GOMAXPROCS(0),
		SupportServerOnly: true,
	}
	if *inline {
		config.ServerExecutor = func(f func()) { f() }
	}
	engine := nbhttp.NewEngine(config)
	if err := engine.Start(); err != nil {
		log.Fatal("nbio: ", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	engine.Stop()
}
