package main

import (
	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/page"
)

// targets are the rows of the table of targets.
func targets() []outcome.Target {
	cpu := func(name, workload string, most float64, beside ...string) outcome.Target {
		t := outcome.Target{Name: name, Workload: workload, Metric: outcome.CPU, Beside: beside, Value: most, Subject: subject, Floors: page.Floors}
		switch {
		case len(beside) > 1:
			t.Label = "best of gws, gorilla, gobwas, coder, nbio"
		case beside[0] == "cepoll" || beside[0] == "cepoll-ws":
			t.Label = "C epoll"
		case beside[0] == "nethttp":
			t.Label = "net/http"
		}
		return t
	}
	p := func(t outcome.Target, m outcome.Metric) outcome.Target {
		t.Metric = m
		return t
	}
	own := func(name, workload string, m outcome.Metric, most float64, unit string) outcome.Target {
		return outcome.Target{Name: name, Workload: workload, Metric: m, Value: most, Unit: unit, Subject: subject}
	}
	growth := func(name, curve string, most float64) outcome.Target {
		return outcome.Target{Name: name, Curve: curve, Metric: "growth", Value: most}
	}
	loops := growth("two loops on two CPUs against one: requests", "loops", 1.8)
	loops.AtLeast = true
	return []outcome.Target{
		cpu("plaintext, 64 connections, inline", "plaintext-64", 1.08, "cepoll"),
		cpu("plaintext, 512 connections, inline", "plaintext-512", 1.08, "cepoll"),
		cpu("plaintext, 64 connections, inline", "plaintext-64", 0.75, "fasthttp"),
		cpu("plaintext, 512 connections, inline", "plaintext-512", 0.75, "fasthttp"),
		cpu("plaintext, 64 connections, handler on a goroutine", "offload-64", 1.0, "fasthttp"),
		cpu("plaintext, 512 connections, handler on a goroutine", "offload-512", 1.0, "fasthttp"),
		cpu("plaintext, 64 connections, handler on a goroutine", "offload-64", 0.55, "nethttp"),
		cpu("plaintext, 512 connections, handler on a goroutine", "offload-512", 0.55, "nethttp"),
		cpu("plaintext, 16 pipelined, inline", "pipelined", 1.3, "cepoll"),
		cpu("plaintext, 16 pipelined, inline", "pipelined", 0.5, "fasthttp"),
		cpu("JSON of a struct", "json", 0.75, "fasthttp"),
		cpu("route parameter among 100 routes", "route", 0.75, "fasthttp"),
		cpu("POST echo of 1 KiB", "post", 0.75, "fasthttp"),
		cpu("file of 1 KiB", "file-1k", 0.8, "nginx"),
		cpu("file of 100 KiB", "file-100k", 0.95, "nginx"),
		cpu("file of 10 MiB", "file-10m", 1.0, "nginx"),
		cpu("WebSocket echo of 125 B, 64 connections", "ws-64", 1.15, "cepoll-ws"),
		cpu("WebSocket echo of 125 B, 1,000 connections", "ws-1000", 1.15, "cepoll-ws"),
		cpu("WebSocket echo of 125 B, 64 connections", "ws-64", 0.7, sockets...),
		cpu("WebSocket echo of 64 KiB", "ws-64k", 0.7, sockets...),
		cpu("broadcast of 125 B to 10,000", "broadcast", 0.6, sockets...),
		p(cpu("broadcast of 125 B to 10,000: time to the last receiver", "broadcast", 0.6, sockets...), outcome.P50),
		p(cpu("latency at half of its own capacity, open loop", "latency", 1.1, "cepoll"), outcome.P99),
		cpu("connect, one request, close", "churn", 1.15, "cepoll"),
		cpu("HTTPS plaintext, session established", "https", 0.58, "nethttp"),
		cpu("full TLS handshake", "handshake", 1.05, "nethttp"),
		own("idle keep-alive HTTP connection", idleHTTP, outcome.Bytes, 600, "bytes"),
		own("idle WebSocket connection, no deflate", idleWS, outcome.Bytes, 700, "bytes"),
		p(cpu("idle TLS connection", idleTLS, 0.25, "nethttp"), outcome.Bytes),
		own("goroutines for an idle HTTP connection", idleHTTP, outcome.Goroutines, 0, "goroutines"),
		own("goroutines for an idle WebSocket connection", idleWS, outcome.Goroutines, 0, "goroutines"),
		own("goroutines for an idle TLS connection", idleTLS, outcome.Goroutines, 0, "goroutines"),
		growth("CPU a request at 10,000 connections (9,900 idle) against 64", "connections", 1.1),
		growth("CPU a request with 10,000 routes against 10", "routes", 1.15),
		growth("publish to a topic of 10 with 10,000 other topics against 1", "topics", 1.1),
		growth("adding and cancelling a timer among 1,000,000 against among 1,000", "timers", 3),
		loops,
	}
}
