package ws

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// TestRetain keeps payloads beyond OnMessage, with freed buffers poisoned: whole ones
// (copied), ones that came in pieces (taken over) and empty ones; other messages use
// the buffers meanwhile.
func TestRetain(t *testing.T) {
	rec := newRecorder()
	type kept struct {
		r  *Retained
		at *byte // where the payload lay
	}
	all := make(chan kept, 100)
	rec.onMessage = func(c *Conn, _ Op, p []byte) {
		k := kept{r: c.Retain(p)}
		if len(p) > 0 {
			k.at = &p[0]
		}
		all <- k
	}
	c := dial(t, start(t, rec))
	big := strings.Repeat("b", 300_000)
	half := binary1(big)
	var got []kept
	for _, m := range []struct {
		name, want string
		copied     bool
		send       [][]byte
	}{
		{"whole", "whole", true, [][]byte{text("whole")}},
		{"several in one read", "2", true, [][]byte{text("2")}},
		{"fragments", "frag-ment", false, [][]byte{join(more(ws.OpText, "frag"), last("-ment"))}},
		{"in two reads", big, false, [][]byte{half[:1000], half[1000:]}},
		{"empty", "", true, [][]byte{text("")}},
		{"empty, in fragments", "", true, [][]byte{join(more(ws.OpText, ""), last(""))}},
	} {
		go func() {
			for _, p := range m.send {
				c.Write(p)
			}
		}()
		k := wait(t, "message "+m.name, all)
		if p := k.r.Bytes(); string(p) != m.want {
			t.Errorf("%s: %.20q", m.name, p)
		} else if len(p) > 0 && (&p[0] != k.at) != m.copied {
			t.Errorf("%s: copied is %v", m.name, !m.copied)
		}
		if m.name == "in two reads" {
			for range 10 { // what was there is used by others now
				c.write(join(more(ws.OpText, "x"), last(strings.Repeat("y", 1000))))
				wait(t, "message", all).r.Release()
			}
			if string(k.r.Bytes()) != big {
				t.Error("the payload has changed")
			}
		}
		got = append(got, k)
	}
	if string(got[0].r.Bytes()) != "whole" || string(got[2].r.Bytes()) != "frag-ment" {
		t.Error("a payload has changed")
	}
	for _, k := range got {
		k.r.Release()
		k.r.Release() // does nothing
		if k.r.Bytes() != nil {
			t.Error("Bytes after Release")
		}
	}
	c.write(ping("end"))
	c.want(ws.OpPong, "end")
}

// TestRetainPart: a part of a payload is copied, whatever it lies in.
func TestRetainPart(t *testing.T) {
	rec := newRecorder()
	all := make(chan *Retained, 10)
	rec.onMessage = func(c *Conn, op Op, p []byte) {
		kept := []*Retained{c.Retain(p[1:]), c.Retain(p[:2]), c.Retain(p), c.Retain(p)} // the last but one took it over
		c.Send(op, p)                                                                   // still valid here
		for _, r := range kept {
			all <- r
		}
	}
	c := dial(t, start(t, rec), join(more(ws.OpText, "ab"), last("cd"))...)
	c.want(ws.OpText, "abcd")
	for _, want := range []string{"bcd", "ab", "abcd", "abcd"} {
		r := wait(t, "message", all)
		if string(r.Bytes()) != want {
			t.Errorf("%q, want %q", r.Bytes(), want)
		}
		defer r.Release()
	}
	c.write(text("next"))
	c.want(ws.OpText, "next")
	for range 4 {
		wait(t, "message", all).Release()
	}
}

// TestRetainAndEnd: what is retained outlives its connection.
func TestRetainAndEnd(t *testing.T) {
	for name, end := range map[string]func(*Conn){
		"panic": func(*Conn) { panic("on purpose") },
		"close": func(c *Conn) { c.Close(1011, "") },
	} {
		t.Run(name, func(t *testing.T) {
			log, _ := newLog()
			rec := newRecorder()
			all := make(chan *Retained, 10)
			rec.onMessage = func(c *Conn, _ Op, p []byte) { all <- c.Retain(p); end(c) }
			c := dial(t, start(t, rec, WithLogger(log)), join(more(ws.OpText, "ab"), last("cd"), text("behind"), closing1(1011, ""))...)
			c.wantClose(1011)
			wait(t, "OnClose", rec.closed)
			r := wait(t, "message", all)
			if string(r.Bytes()) != "abcd" {
				t.Errorf("%q", r.Bytes())
			}
			r.Release()
		})
	}
}
