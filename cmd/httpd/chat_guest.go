package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/carillon-go/carillon/ws"
)

// guest is what the chat knows of one connection, as its Conn.Value. Only the
// connection's loop uses it.
type guest struct {
	id   string // "" before hello
	name string
	room string // "" before join

	allowance float64 // of requests
	counted   time.Duration
}

// A guest may make burst requests at once, and perSecond in the long run.
const (
	burst     = 20
	perSecond = 3
)

func newGuest(now time.Duration) *guest { return &guest{allowance: burst, counted: now} }

// mayAct takes one request from the allowance. now is the loop's clock.
func (g *guest) mayAct(now time.Duration) bool {
	g.allowance = min(burst, g.allowance+perSecond*(now-g.counted).Seconds())
	g.counted = now
	if g.allowance < 1 {
		return false
	}
	g.allowance--
	return true
}

// publicID is what others know somebody by: the same in each tab and after each
// reconnect of a browser, and not to be had without its key.
func publicID(key string) (string, error) {
	if len(key) < minKey || len(key) > maxKey {
		return "", errKey
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8]), nil
}

// identity is the guest in the hub's presence, under a name.
func (g *guest) identity(name string) string { return g.id + " " + name }

// introduction tells the guest who it is, and what is allowed.
func (g *guest) introduction() introduction {
	return introduction{
		Is: "you", person: person{g.id, g.name},
		MaxText: maxText, MaxName: maxName,
	}
}

// people reads identities. Somebody with several connections is there once.
func people(members []ws.Member) crowd {
	c := crowd{List: []person{}}
	last := ""
	for _, m := range members { // sorted, so that an ID's connections are neighbours
		id, name, _ := strings.Cut(m.Who, " ")
		if id == last {
			continue
		}
		last = id
		c.Count++
		if len(c.List) < maxPeople {
			c.List = append(c.List, person{id, name})
		}
	}
	return c
}
