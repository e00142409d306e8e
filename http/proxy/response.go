package proxy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// The way back: from the upstream's bytes to the answer. Loop goroutine only.

// receive takes what the upstream has sent, as far as the client has room for it.
func (t *transfer) receive(in *reactor.Buffer) {
	t.heard = true
	parser := t.link.parser
	for !t.begun {
		n, err := parser.Head(in.Peek())
		switch {
		case err != nil:
			t.badGateway(err)
			return
		case n == 0:
			return
		}
		err = t.takeHead()
		if t.finished || t.switching {
			if t.switching {
				in.Retrieve(n)
			}
			return
		}
		if err != nil {
			t.badGateway(err)
			return
		}
		in.Retrieve(n)
		if in.Len() == 0 && !t.begun {
			return
		}
	}
	t.receiveBody(in)
}

// receiveBody passes the body on.
func (t *transfer) receiveBody(in *reactor.Buffer) {
	parser := t.link.parser
	for !parser.Done() && in.Len() > 0 && !t.paused {
		data, n, err := parser.Body(in.Peek())
		if len(data) > 0 {
			room, writeErr := t.relay.Write(data)
			if t.finished {
				return
			}
			err = errors.Join(err, writeErr)
			t.paused = !room
		}
		if err != nil {
			t.badGateway(err)
			return
		}
		in.Retrieve(n)
		if n == 0 {
			break // a trailer section that is not whole
		}
	}
	if parser.Done() {
		t.responded(in.Len() == 0)
		return
	}
	_ = t.relay.Flush() // a client that is gone is heard of by Gone
	if t.paused && t.link != nil {
		t.link.tcp.StopRead()
	}
}

// Room implements http.RelayHandler.
func (t *transfer) Room() {
	if !t.paused || t.link == nil {
		return
	}
	t.paused = false
	l := t.link
	l.tcp.StartRead()
	t.receiveBody(l.tcp.Input())
}

// mostInterims bounds the answers of 1xx to a request: nothing slows an upstream down that sends them without end.
const mostInterims = 64

// responseOptions reads all Connection lines of a response.
func responseOptions(parser *http.ResponseParser) (s optionSet) {
	for name, value := range parser.Fields() {
		if strings.EqualFold(string(name), "Connection") {
			s.add(string(value))
		}
	}
	return s
}

// takeHead begins the answer, or passes an interim one on.
func (t *transfer) takeHead() error {
	parser, code := t.link.parser, t.link.parser.Status()
	switch {
	case code == 100:
		t.pool.loop.Cancel(t.asking)
		t.relay.Resume()
		return nil
	case code == 101:
		return t.switchProtocols()
	case code < 200:
		if t.interims++; t.interims > mostInterims {
			return fmt.Errorf("more than %d interim responses", mostInterims)
		}
		drop := responseOptions(parser)
		var lines [][2]string
		for name, value := range parser.Fields() {
			if n := string(name); !drop.has(n) && !strings.EqualFold(n, "Content-Length") {
				lines = append(lines, [2]string{n, string(value)})
			}
		}
		return t.relay.Interim(code, lines...)
	}
	t.pool.loop.Cancel(t.asking)
	if err := t.copyFields(); err != nil {
		return err
	}
	length := parser.Length()
	if err := t.relay.Start(code, "", length); err != nil {
		return err
	}
	t.begun = true
	t.link.tcp.SetDeadline(t.pool.loop.Now() + t.p.idleTimeout)
	return nil
}

// copyFields sets the header lines of the answer. What middleware has set before gives way, but for what adds up.
func (t *transfer) copyFields() error {
	parser, c := t.link.parser, t.relay.Ctx()
	drop := responseOptions(parser)
	var seen []string
	for name, value := range parser.Fields() {
		n := string(name)
		if drop.has(n) || strings.EqualFold(n, "Content-Length") {
			continue
		}
		if !strings.EqualFold(n, "Set-Cookie") && !strings.EqualFold(n, "Vary") && !containsFold(seen, n) {
			c.DelHeader(n)
			seen = append(seen, n)
		}
		if err := c.AddHeader(n, string(value)); err != nil {
			return err
		}
	}
	return nil
}

func containsFold(list []string, s string) bool {
	for _, e := range list {
		if strings.EqualFold(e, s) {
			return true
		}
	}
	return false
}

// responded ends the answer, and keeps the connection for the next request if nothing speaks against that.
func (t *transfer) responded(nothingBehind bool) {
	l := t.link
	c := t.relay.Ctx()
	for name, value := range l.parser.Trailers() {
		_ = c.SetTrailer(string(name), string(value)) // the parser has refused what may not stand there
	}
	t.finished, t.link = true, nil
	t.pool.loop.Cancel(t.asking)
	l.served++
	l.user = nil
	if nothingBehind && t.bodyOver && l.parser.KeepsAlive() && l.tcp.Connected() && !l.tcp.PeerClosed() && !l.tcp.PendingOutput() {
		t.pool.put(l)
	} else {
		l.tcp.ForceClose()
	}
	t.relay.End()
}
