// Package gen makes load: HTTP and WebSocket clients by the hundred or by the ten
// thousand on one loop of our own reactor, each a reactor.TcpClient.
//
// It checks what it is answered: status, length and body of each HTTP answer, opcode
// and payload of each message (of long ones every eighth of a connection, byte by
// byte), and that nothing comes unasked. The first wrong answer, and the first
// connection that the server ends, ends the job with an error: what a server that
// lies would measure is no measurement.
package gen

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Kind is a kind of load.
type Kind string

// The kinds.
const (
	// Closed: each connection sends its next requests when all answers have come.
	Closed Kind = "closed"
	// Open: requests are due at a fixed rate, and go out on the first connection
	// that is free. Latency counts from when a request was due, however late it went
	// out, so nothing that a slow server delays is left out of it.
	Open Kind = "open"
	// Churn: connect, one request, close, again and again on each connection.
	Churn Kind = "churn"
	// Echo: WebSocket, each connection sends its next message when the last is back.
	Echo Kind = "echo"
	// Broadcast: WebSocket, one connection sends a message, and the next one when all
	// connections have it.
	Broadcast Kind = "broadcast"
	// IdleHTTP and IdleEcho: connections that each make one exchange, and then are
	// only there.
	IdleHTTP Kind = "idle"
	IdleEcho Kind = "idle-echo"
)

// Job says what load to make. It travels as JSON.
type Job struct {
	Kind        Kind
	Addr        string // of IP and port
	TLS         bool   // without looking at the certificate; no session is resumed
	Path        string
	Connections int
	Silent      int     // further connections, that make one exchange and are then idle
	Body        []byte  // of a POST, or the message; nil is a GET
	Want        []byte  // the body of the answer
	WantFile    string  // the file that has it, where Want is nil
	Depth       int     // requests in one write; 0 is 1
	Rate        float64 // requests a second of Open
	Levels      []int   // connections at which the idle kinds stop and wait

	WarmUp time.Duration // of the load before the window
	Time   time.Duration // length of the window; it is longer until there is one answer
	PIDs   []int         // processes whose CPU time is counted in the window
}

// Result is what one window gave.
type Result struct {
	Done    int64         // answers, messages or broadcasts
	Window  time.Duration // how long it was
	CPU     time.Duration // of the job's PIDs in it
	LoadCPU time.Duration // of this process
	Latency Latency
}

// Latency has quantiles in microseconds, zero where nothing was timed.
type Latency struct{ P50, P90, P99, P999, Max float64 }

// webSocket says what a job's connections speak.
func (j *Job) webSocket() bool {
	return j.Kind == Echo || j.Kind == Broadcast || j.Kind == IdleEcho
}

// greets says whether each connection makes an exchange before the load begins.
func (j *Job) greets() bool { return j.Kind != Churn && j.Kind != Broadcast }

func (j *Job) idles() bool { return j.Kind == IdleHTTP || j.Kind == IdleEcho }

// prepare reads the file, and judges.
func (j *Job) prepare() error {
	j.Depth = max(j.Depth, 1)
	if j.WantFile != "" && j.Want == nil {
		var err error
		if j.Want, err = os.ReadFile(j.WantFile); err != nil {
			return err
		}
	}
	if j.idles() {
		j.Connections = 1
	}
	switch {
	case j.Connections < 1:
		return errors.New("a job needs connections")
	case j.webSocket() && len(j.Body) < numberSize:
		return fmt.Errorf("a message needs at least %d bytes", numberSize)
	case !j.webSocket() && len(j.Want) == 0:
		return errors.New("an answer without a body tells nothing")
	case j.Kind == Open && (j.Rate <= 0 || j.Depth > 1):
		return errors.New("an open loop needs a rate, and sends one request at a time")
	case j.idles() && len(j.Levels) == 0:
		return errors.New("idle connections need levels")
	case !j.idles() && j.Time <= 0:
		return errors.New("a job needs time")
	}
	return nil
}
