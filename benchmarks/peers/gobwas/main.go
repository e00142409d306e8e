// Command gobwas is github.com/gobwas/ws on net/http, measured beside Carillon: a
// goroutine for each connection, which reads through the buffer that net/http has
// made for it. Frames are read by hand for the echo and by wsutil for the
// broadcast, whose message is compiled into a frame once.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/carillon-go/carillon/benchmarks/internal/members"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

const (
	name       = "gobwas"
	maxMessage = 16 << 20
)

func main() {
	wsutil.SetMaxMessageSize(maxMessage)
	log.Fatal(stdhandler.Serve(name, stdhandler.WithWebSocket(name, upgrade(echo), upgrade(broadcast))))
}

// conn is what the functions of ws and wsutil take: it reads through a buffer, so
// that a frame costs one system call and not three.
type conn struct {
	net.Conn
	in *bufio.Reader
}

func (c conn) Read(p []byte) (int, error) { return c.in.Read(p) }

// upgrade serves the connection on a goroutine of its own, so that what net/http
// needed for the request, but for the reader, is free.
func upgrade(serve func(conn) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // UpgradeHTTP has answered
		}
		in := rw.Reader
		go func() {
			defer c.Close()
			_ = serve(conn{c, in}) // of no interest: the client has left
		}()
	}
}

// maxHead is the longest head of a frame that is not masked.
const maxHead = 10

// maxStep is how much of a payload is read at once.
const maxStep = 64 << 10

// message is the one that comes in, after room for the head of its answer.
type message struct {
	bytes.Buffer
	op ws.OpCode
}

// messages are pooled, so that an idle connection has none.
var messages = sync.Pool{New: func() any { return new(message) }}

// echo answers each message in one write.
func echo(c conn) error {
	var m *message
	for {
		h, err := ws.ReadHeader(c)
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, state(m)); err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			control := wsutil.ControlHandler{Src: io.LimitReader(c, h.Length), Dst: c, State: ws.StateServerSide}
			if err := control.Handle(h); err != nil {
				return err
			}
			continue
		}
		if m == nil {
			m = messages.Get().(*message)
			m.begin(h.OpCode)
		}
		if err := m.add(c.in, h); err != nil {
			return err
		}
		if !h.Fin {
			continue
		}
		if err := m.answer(c); err != nil {
			return err
		}
		messages.Put(m)
		m = nil
	}
}

func state(m *message) ws.State {
	if m != nil {
		return ws.StateServerSide | ws.StateFragmented
	}
	return ws.StateServerSide
}

func (m *message) begin(op ws.OpCode) {
	m.op = op
	m.Reset()
	m.Write(make([]byte, maxHead))
}

// add reads the payload of a frame.
func (m *message) add(in *bufio.Reader, h ws.Header) error {
	from := m.Len()
	if h.Length > int64(maxHead+maxMessage-from) {
		return fmt.Errorf("a message above %d bytes", maxMessage)
	}
	for left := int(h.Length); left > 0; { // memory for what has come, not for what was announced
		n := min(left, maxStep)
		m.Grow(n)
		p := m.AvailableBuffer()[:n]
		if _, err := io.ReadFull(in, p); err != nil {
			return err
		}
		m.Write(p)
		left -= n
	}
	ws.Cipher(m.Bytes()[from:], h.Mask, 0)
	return nil
}

func (m *message) answer(c conn) error {
	frame := m.Bytes()
	payload := frame[maxHead:]
	if m.op == ws.OpText && !utf8.Valid(payload) {
		return wsutil.ErrInvalidUTF8
	}
	h := ws.Header{Fin: true, OpCode: m.op, Length: int64(len(payload))}
	from := maxHead - ws.HeaderSize(h)
	if err := ws.WriteHeader(bytes.NewBuffer(frame[from:from]), h); err != nil {
		return err
	}
	_, err := c.Write(frame[from:])
	return err
}

// member is one connection of /broadcast; a frame must leave it whole.
type member struct {
	mu sync.Mutex
	c  net.Conn
}

var all members.Set[*member]

func broadcast(c conn) error {
	m := &member{c: c}
	all.Add(m)
	defer all.Remove(m)
	for {
		p, op, err := wsutil.ReadClientData(c)
		if err != nil {
			return err
		}
		frame, err := ws.CompileFrame(ws.NewFrame(op, true, p))
		if err != nil {
			return err
		}
		all.Each(func(to *member) {
			to.mu.Lock()
			_, _ = to.c.Write(frame) // its reader sees the end
			to.mu.Unlock()
		})
	}
}
