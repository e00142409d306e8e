package ws

import (
	"errors"
	stdhttp "net/http"
	"net/http/httptest"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// echoes answers by what it gets, until the end, which it returns. What is longer than
// one byte goes out in two parts.
func (d dialogue) echoes() error {
	for {
		op, p, err := d.receive()
		if err != nil {
			return err
		}
		parts := [][]byte{p}
		if half := len(p) / 2; half > 0 {
			parts = [][]byte{p[:half], p[half:]}
		}
		if err := d.send(op, parts...); err != nil {
			return err
		}
	}
}

// dialCases are what our client offers to a server that does as it is said by mode.
type dialCase struct {
	name    string
	deflate *Deflate
	mode    coder.CompressionMode
	agreed  string
	big     bool
}

func (c dialCase) run(t *testing.T, server *httptest.Server, ends chan error, is func(error) bool) {
	for name, face := range faces {
		t.Run(c.name+" "+name, func(t *testing.T) {
			conn, d, closeBy := face(t, server.URL, withDeflate(c.deflate), WithMaxMessage(32<<20))
			if got := agreedBy(conn); got != c.agreed {
				t.Fatal(got)
			}
			d.hold(t, deflateSizes...)
			if c.big {
				d.holdBig(t)
			}
			if err := closeBy(4001, "bye"); err != nil {
				t.Error(err)
			}
			if err := wait(t, "end at the server", ends); !is(err) {
				t.Error(err)
			}
		})
	}
}

const off, keep, drop = coder.CompressionDisabled, coder.CompressionContextTakeover, coder.CompressionNoContextTakeover

func TestClientDeflateWithGorilla(t *testing.T) {
	takeover := &Deflate{ContextTakeover: true, Threshold: -1}
	for _, c := range []dialCase{
		{"not here", nil, drop, "", false},
		{"not there", takeover, off, "", false},
		{"as by default", &Deflate{}, drop, "15 15", false},
		{"takeover that is declined", takeover, drop, "15 15", true},
		{"a small window of our own", &Deflate{ContextTakeover: true, ClientWindowBits: 9, Threshold: -1}, drop, "9 15", false},
		{"a small window asked of it", &Deflate{ServerWindowBits: 9, Threshold: -1}, drop, "15 15", false},
	} {
		ends := make(chan error, 10)
		upgrader := gorilla.Upgrader{EnableCompression: c.mode != off}
		server := httptest.NewServer(stdhttp.HandlerFunc(func(w stdhttp.ResponseWriter, r *stdhttp.Request) {
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			ends <- gorillaDialogue(conn).echoes()
		}))
		defer server.Close()
		c.run(t, server, ends, func(err error) bool { return gorilla.IsCloseError(err, 4001) })
	}
}

func TestClientDeflateWithCoder(t *testing.T) {
	takeover := &Deflate{ContextTakeover: true, Threshold: -1}
	for _, c := range []dialCase{
		{"not here", nil, keep, "", false},
		{"not there", takeover, off, "", false},
		{"as by default", &Deflate{}, keep, "15 15", false},
		{"no takeover there", takeover, drop, "15 15", false},
		{"takeover", takeover, keep, "15+ 15+", true},
		{"a small window of our own", &Deflate{ContextTakeover: true, ClientWindowBits: 9, Threshold: -1}, keep, "9+ 15+", false},
		{"a small window asked of it", &Deflate{ContextTakeover: true, ServerWindowBits: 9, Threshold: -1}, keep, "15+ 15", false},
	} {
		ends := make(chan error, 10)
		server := httptest.NewServer(stdhttp.HandlerFunc(func(w stdhttp.ResponseWriter, r *stdhttp.Request) {
			conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: c.mode, CompressionThreshold: 1})
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			ends <- coderDialogue(r.Context(), conn).echoes()
		}))
		defer server.Close()
		c.run(t, server, ends, func(err error) bool {
			var end coder.CloseError
			return errors.As(err, &end) && end.Code == 4001 && end.Reason == "bye"
		})
	}
}
