package ws

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// TestPrepared sends prepared messages of all lengths about the steps of the header
// from either side, and compares with what Send sends.
func TestPrepared(t *testing.T) {
	for side, m := range modes {
		for _, op := range []Op{OpText, OpBinary} {
			for _, n := range []int{0, 1, 125, 126, 65535, 65536, 300_000} {
				t.Run(fmt.Sprint(side, opNames[op], n), func(t *testing.T) {
					c, peer := openPair(t, newLoop(t), newTestSide(m, newRecorder()))
					p := bytes.Repeat([]byte("x"), n)
					prepared := Prepare(op, p)
					clear(p) // Prepare has copied it
					want := strings.Repeat("x", n)
					if prepared.Op() != op || string(prepared.Bytes()) != want {
						t.Error("the message has changed")
					}
					clear(prepared.Bytes()) // a copy
					go func() {
						for range 2 {
							if err := c.SendPrepared(prepared); err != nil {
								t.Error(err)
							}
						}
						if err := c.Send(op, []byte(want)); err != nil {
							t.Error(err)
						}
					}()
					var keys []uint32
					for range 3 {
						f, err := peer.wire()
						if err != nil || f.b0 != finBit|byte(op) || f.masked != (m == fromServer) || f.payload != want {
							t.Fatal(f.b0, f.masked, len(f.payload), err)
						}
						keys = append(keys, f.key)
					}
					// Equal keys come once in 2^31 runs.
					if m == fromServer && keys[0] == keys[1] {
						t.Error("the same key twice")
					}
				})
			}
		}
	}
}

// TestPreparedShared has goroutines send one message to connections of different
// loops, of both sides, at once.
func TestPreparedShared(t *testing.T) {
	prepared := Prepare(OpText, []byte("to all"))
	const loops, each = 3, 50
	var group sync.WaitGroup
	var peers []*client
	for i := range loops {
		m := mode(0)
		if i == 1 {
			m = fromServer
		}
		c, peer := openPair(t, newLoop(t), newTestSide(m, newRecorder()))
		peers = append(peers, peer)
		for range 2 {
			group.Go(func() {
				for range each {
					if err := c.SendPrepared(prepared); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	for _, peer := range peers {
		for range 2 * each {
			if op, p, _ := peer.message(nil); op != ws.OpText || p != "to all" {
				t.Fatal(op, p)
			}
		}
	}
	group.Wait()
}

func TestPrepareBadOp(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Prepare of a ping did not panic")
		}
	}()
	Prepare(ws.OpPing, nil)
}
