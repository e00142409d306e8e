// Package peers lists the programs that are measured: Carillon (the folder
// subject) and the servers that it is compared with, a folder here each.
package peers

import (
	_ "embed"
	"fmt"
	"strings"
)

// Subject is the name of Carillon's own program.
const Subject = "subject"

const module = "github.com/carillon-go/carillon/benchmarks/"

// Server is one program to measure. Each listens on 127.0.0.1:$PORT.
type Server struct {
	Name    string
	Package string   // import path of a Go program; "" when Source says it in C
	Source  []byte   // one file of C
	Args    []string // on its command line
	// PlaintextOnly: it gives the answer of /plaintext to whatever it is asked.
	PlaintextOnly bool
}

//go:embed cepoll/cepoll.c
var cepoll []byte

var servers = []Server{
	{Name: Subject, Package: module + "subject"},
	{Name: "nethttp", Package: module + "peers/nethttp"},
	{Name: "fasthttp", Package: module + "peers/fasthttp"},
	{Name: "hertz", Package: module + "peers/hertz"},
	{Name: "hertz-sense", Package: module + "peers/hertz", Args: []string{"-sense-disconnect"}},
	{Name: "nbio", Package: module + "peers/nbio", Args: []string{"-inline"}},
	{Name: "nbio-default", Package: module + "peers/nbio"},
	{Name: "cepoll", Source: cepoll, PlaintextOnly: true},
}

// Parse reads a list of names with commas between them. Each may come once.
func Parse(list string) ([]Server, error) {
	var chosen []Server
	seen := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if seen[name] {
			return nil, fmt.Errorf("server %q is named twice", name)
		}
		seen[name] = true
		s, ok := lookup(name)
		if !ok {
			return nil, fmt.Errorf("no server %q: want some of %s", name, strings.Join(Names(), ","))
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

// Names are the names of all servers.
func Names() []string {
	names := make([]string, len(servers))
	for i, s := range servers {
		names[i] = s.Name
	}
	return names
}

func lookup(name string) (Server, bool) {
	for _, s := range servers {
		if s.Name == name {
			return s, true
		}
	}
	return Server{}, false
}
