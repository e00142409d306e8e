// Package peers lists the programs that are measured: Carillon (the folder
// subject) and the servers that it is compared with, a folder here each.
package peers

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// Subject is the name of Carillon's own program.
const Subject = "subject"

const module = "github.com/carillon-go/carillon/benchmarks/"

// Server is one program to measure. Each listens on 127.0.0.1:$PORT, and those
// that offer Files serve the folder $STATIC_DIR.
type Server struct {
	Name    string
	Package string   // import path of a Go program; "" when Source says it in C, or Program names it
	Tags    string   // build tags of Package
	Source  []byte   // all of its C
	Program string   // one that is installed on the machine
	Config  []byte   // what launch writes to $DIR/config, a temporary folder of its own, with $DIR, $PORT, $STATIC_DIR and $SSL filled in
	Args    []string // on its command line; the same are filled in where there is a Config
	Offers  Part
}

// Part is a set of endpoints.
type Part uint8

const (
	Plaintext Part = 1 << iota // /plaintext
	HTTP                       // /json, /user/{id} among the routes, /echo, /gc, /goroutines
	Echo                       // /ws
	Broadcast                  // /broadcast
	Files                      // /static/NAME

	plain     = Plaintext | HTTP
	webSocket = plain | Echo | Broadcast
)

// Has says whether the server offers all of p.
func (s Server) Has(p Part) bool { return s.Offers&p == p }

//go:embed celoop/loop.c
var loopInC []byte

//go:embed cepoll/cepoll.c
var cepoll []byte

//go:embed cepoll-ws/cepoll-ws.c
var cepollWS []byte

//go:embed nginx/nginx.conf
var nginxConf []byte

//go:embed caddy/caddy.json
var caddyJSON []byte

var servers = []Server{
	{Name: Subject, Package: module + "subject", Offers: webSocket | Files},
	{Name: "nethttp", Package: module + "peers/nethttp", Offers: plain | Files},
	{Name: "fasthttp", Package: module + "peers/fasthttp", Offers: plain | Files},
	{Name: "hertz", Package: module + "peers/hertz", Offers: plain},
	{Name: "hertz-sense", Package: module + "peers/hertz", Args: []string{"-sense-disconnect"}, Offers: plain},
	{Name: "fiber", Package: module + "peers/fiber", Offers: plain},
	{Name: "echo", Package: module + "peers/echo", Offers: plain},
	{Name: "gin", Package: module + "peers/gin", Tags: "sonic", Offers: plain},
	{Name: "chi", Package: module + "peers/chi", Offers: plain},
	{Name: "gnet", Package: module + "peers/gnet", Tags: "poll_opt", Offers: plain}, // neither /wait nor /panic
	{Name: "nbio", Package: module + "peers/nbio", Args: []string{"-inline"}, Offers: plain},
	{Name: "nbio-default", Package: module + "peers/nbio", Offers: plain},
	{Name: "cepoll", Source: slices.Concat(loopInC, cepoll), Offers: Plaintext}, // whatever it is asked
	{Name: "nginx", Program: "nginx", Config: nginxConf, Args: []string{"-e", "stderr", "-p", "$DIR", "-c", "config"}, Offers: Plaintext | Files},
	{Name: "caddy", Program: "caddy", Config: caddyJSON, Args: []string{"run", "--config", "$DIR/config"}, Offers: Plaintext | Files},
	{Name: "gorilla", Package: module + "peers/gorilla", Offers: webSocket},
	{Name: "coder", Package: module + "peers/coder", Offers: webSocket},
	{Name: "gws", Package: module + "peers/gws", Offers: webSocket},
	{Name: "gobwas", Package: module + "peers/gobwas", Offers: webSocket},
	{Name: "nbio-ws", Package: module + "peers/nbio-ws", Offers: webSocket},
	{Name: "cepoll-ws", Source: slices.Concat(loopInC, cepollWS), Offers: Echo},
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
