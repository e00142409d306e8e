package main

import (
	"bytes"
	"slices"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/gen"
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

const (
	small    = 125 // bytes of a message: the longest payload with the shortest head
	big      = 64 << 10
	echoSize = 1 << 10
	depth    = 16 // requests that a client sends ahead
	crowd    = 10_000
)

// workload is one kind of load, and whom it is put on.
type workload struct {
	name    string
	title   string
	per     string   // what is counted
	servers []string // the subject is the first
	quick   []string // of -quick
	tls     bool
	subject string // the subject's path where it differs; "" else
	job     gen.Job
	file    string                                                     // below /static/ that is the answer
	longer  float64                                                    // than an ordinary slice; 0 is 1
	measure func(*session, *workload, *server) (outcome.Sample, error) // nil: oneJob
}

const subject = peers.Subject

var (
	goServers  = []string{"nethttp", "fasthttp", "hertz", "fiber", "echo", "gin", "chi", "gnet", "nbio"}
	sockets    = []string{"gws", "gorilla", "gobwas", "coder", "nbio-ws"}
	fileOthers = []string{"nginx", "caddy", "fasthttp", "nethttp"}
)

func with(names ...any) []string {
	list := []string{subject}
	for _, n := range names {
		switch n := n.(type) {
		case string:
			list = append(list, n)
		case []string:
			list = append(list, n...)
		}
	}
	return list
}

func get(path string, want string, connections int) gen.Job {
	return gen.Job{Kind: gen.Closed, Path: path, Want: []byte(want), Connections: connections}
}

func file(name string, connections int) gen.Job {
	return gen.Job{Kind: gen.Closed, Path: "/static/" + name, Connections: connections}
}

func message(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size] }

func echoes(size, connections int) gen.Job {
	return gen.Job{Kind: gen.Echo, Path: "/ws", Body: message(size), Connections: connections}
}

func workloads() []workload {
	plaintext := func(connections int) gen.Job { return get("/plaintext", endpoint.Text, connections) }
	pipelined := plaintext(64)
	pipelined.Depth = depth
	post := gen.Job{Kind: gen.Closed, Path: "/echo", Body: message(echoSize), Want: message(echoSize), Connections: 64}
	open := plaintext(64)
	open.Kind = gen.Open
	churn := plaintext(64)
	churn.Kind = gen.Churn
	secure := plaintext(64)
	secure.TLS = true
	handshake := plaintext(16)
	handshake.Kind, handshake.TLS = gen.Churn, true
	all := with("cepoll", goServers, "nginx", "caddy")
	return []workload{
		{name: "plaintext-64", title: "plaintext, 64 connections", per: "request", servers: all, quick: with("cepoll", "fasthttp"), job: plaintext(64)},
		{name: "plaintext-512", title: "plaintext, 512 connections", per: "request", servers: all, quick: with("cepoll", "fasthttp"), job: plaintext(512)},
		{name: "offload-64", title: "plaintext from a goroutine, 64 connections", per: "request", subject: "/offload/plaintext",
			servers: with("fasthttp", "nethttp"), quick: with("fasthttp", "nethttp"), job: plaintext(64)},
		{name: "offload-512", title: "plaintext from a goroutine, 512 connections", per: "request", subject: "/offload/plaintext",
			servers: with("fasthttp", "nethttp"), quick: with("fasthttp", "nethttp"), job: plaintext(512)},
		{name: "pipelined", title: "plaintext, 16 pipelined, 64 connections", per: "request", servers: with("cepoll", goServers, "nginx"), quick: with("cepoll", "fasthttp"), job: pipelined},
		{name: "json", title: "JSON of a struct, 64 connections", per: "request", servers: with(goServers), quick: with("fasthttp"), job: get("/json", endpoint.JSON, 64)},
		{name: "route", title: "a parameter, among 100 routes, 64 connections", per: "request", servers: with(goServers), quick: with("fasthttp"), job: get("/user/4711", "4711", 64)},
		{name: "post", title: "POST echo of 1 KiB, 64 connections", per: "request", servers: with(goServers), quick: with("fasthttp"), job: post},
		{name: "file-1k", title: "file of 1 KiB, 64 connections", per: "request", servers: with(fileOthers), quick: with("nginx"), file: file1K, job: file(file1K, 64)},
		{name: "file-100k", title: "file of 100 KiB, 64 connections", per: "request", servers: with(fileOthers), quick: with("nginx"), file: file100K, job: file(file100K, 64)},
		{name: "file-10m", title: "file of 10 MiB, 16 connections", per: "request", servers: with(fileOthers), quick: with("nginx"), file: file10M, longer: 2, job: file(file10M, 16)},
		{name: "ws-64", title: "WebSocket echo of 125 B, 64 connections", per: "message", servers: with("cepoll-ws", sockets), quick: with("cepoll-ws", "gws"), job: echoes(small, 64)},
		{name: "ws-1000", title: "WebSocket echo of 125 B, 1,000 connections", per: "message", servers: with("cepoll-ws", sockets), quick: with("cepoll-ws"), job: echoes(small, 1000)},
		{name: "ws-64k", title: "WebSocket echo of 64 KiB, 64 connections", per: "message", servers: with(sockets), quick: with("gws"), job: echoes(big, 64)},
		{name: "broadcast", title: "broadcast of 125 B to 10,000 connections", per: "broadcast", servers: with(sockets), quick: with("gws"), longer: 2,
			job: gen.Job{Kind: gen.Broadcast, Path: "/broadcast", Body: message(small), Connections: crowd}},
		{name: "latency", title: "latency at half of its own capacity, open loop, 64 connections", per: "request", servers: with("cepoll", "fasthttp", "nethttp"),
			quick: with("cepoll"), longer: 2, job: open, measure: atHalf},
		{name: "churn", title: "connect, one request, close, 64 at a time", per: "connection", servers: with("cepoll", "fasthttp", "nethttp"), quick: with("cepoll"), job: churn},
		{name: "https", title: "HTTPS plaintext, session established, 64 connections", per: "request", servers: with("nethttp", "nginx"), quick: with("nethttp"), tls: true, job: secure},
		{name: "handshake", title: "full TLS handshake, one request, close, 16 at a time", per: "connection", servers: with("nethttp", "nginx"), quick: with("nethttp"), tls: true, job: handshake},
	}
}

// The files of the static workloads.
const (
	file1K   = "1k.bin"
	file100K = "100k.bin"
	file10M  = "10m.bin"
)

var fileSizes = map[string]int{file1K: 1 << 10, file100K: 100 << 10, file10M: 10 << 20}

// jobOn is the job as it is put on a server.
func (w *workload) jobOn(s *session, target *server) gen.Job {
	j := w.job
	j.Addr, j.PIDs = target.Addr, target.pids
	if w.subject != "" && target.Name == subject {
		j.Path = w.subject
	}
	if w.file != "" {
		j.WantFile = s.filePath(w.file)
	}
	j.Time = s.slice
	if w.longer > 0 {
		j.Time = time.Duration(float64(j.Time) * w.longer)
	}
	j.WarmUp = j.Time / 5
	return j
}

// on is the servers of a workload that this run has: those that it names, as far as
// there are any, without a word about the others, which other checkouts have.
func (w *workload) on(o *options) []string {
	list := w.servers
	if o.quick && len(o.servers) == 0 {
		list = w.quick
	}
	known := peers.Names()
	return slices.DeleteFunc(slices.Clone(list), func(name string) bool {
		return !slices.Contains(known, name) || len(o.servers) > 0 && name != subject && !slices.Contains(o.servers, name)
	})
}
