package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carillon-go/carillon/ws"
)

// All messages are texts in JSON. What a guest sends has "do", what it gets has "is".

// Bounds of what a guest sends, lengths in characters unless it says otherwise.
const (
	maxName = 32
	maxText = 2000
	// maxMessage is in bytes: a text of which each character is escaped as two
	// surrogates, and the rest.
	maxMessage     = 12*maxText + 8<<10
	minKey, maxKey = 16, 64 // bytes
	maxTag, maxDo  = 32, 16 // bytes
)

// Bounds of what is sent: of people in a room and of rooms by name, the rest counts.
const (
	maxPeople = 100
	maxRooms  = 50
)

// standingRooms are in the list whether or not somebody is there.
var standingRooms = []string{"Lobby", "Belfry", "Workshop"}

// request is what a guest sends: what it wants to do, and what that needs.
//
//	hello  key, name      first of all
//	name   name           from now on
//	join   room, since    leaving the room before; since is a position, or empty
//	say    text, tag      to the room; the tag comes back with it
//	ping                  answered by pong
type request struct {
	Do    string `json:"do"`
	Key   string `json:"key"`
	Name  string `json:"name"`
	Room  string `json:"room"`
	Since string `json:"since"`
	Text  string `json:"text"`
	Tag   string `json:"tag"`
}

// What a guest gets. said and here come with the room as well, said with its
// position: see envelope.
type (
	introduction struct {
		Is string `json:"is"` // "you"
		person
		MaxText int `json:"maxText"`
		MaxName int `json:"maxName"`
	}
	joined struct {
		Is       string `json:"is"`
		Room     string `json:"room"`
		Complete bool   `json:"complete"` // nothing is missing before what follows
		Missed   int    `json:"missed"`   // how many said follow that were said before
		Position string `json:"position"` // of the last of them
		People   crowd  `json:"people"`
	}
	said struct {
		Is   string `json:"is"`
		By   string `json:"by"` // a person's ID
		Name string `json:"name"`
		Text string `json:"text"`
		Tag  string `json:"tag"`
		Time int64  `json:"time"` // ms since 1970
	}
	here struct {
		Is     string `json:"is"`
		People crowd  `json:"people"`
	}
	roomList struct {
		Is    string        `json:"is"` // "rooms"
		Rooms []roomAndSize `json:"rooms"`
		More  int           `json:"more"` // rooms that are not listed
	}
	refused struct {
		Is  string `json:"is"`
		Do  string `json:"do"`
		Tag string `json:"tag"`
		Why string `json:"why"`
		// Retry says that the same may be done later.
		Retry bool `json:"retry"`
	}
	pong struct {
		Is string `json:"is"`
	}

	person struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	crowd struct {
		Count int      `json:"count"`
		List  []person `json:"list"` // the first maxPeople of them
	}
	roomAndSize struct {
		Room  string `json:"room"`
		Count int    `json:"count"`
	}
)

// The reasons of a refusal, for people to read: the page makes sentences of them.
var (
	errText        = errors.New("only texts are understood here")
	errJSON        = errors.New("that is no JSON object with the right fields")
	errUnknown     = errors.New("that is nothing one can do here")
	errTooFast     = errors.New("that was a lot at once, wait a moment")
	errNoHello     = errors.New("say hello first")
	errSecondHello = errors.New("you have said hello already")
	errNoRoom      = errors.New("join a room first")
	errPosition    = errors.New("that is no position in a room's history")
	errKey         = fmt.Errorf("a key has %d to %d bytes", minKey, maxKey)
	errTag         = fmt.Errorf("a tag has at most %d bytes", maxTag)
	errEmpty       = errors.New("there is nothing in that message")
	errLong        = fmt.Errorf("a message has at most %d characters", maxText)
)

// parseRequest reads what a guest sent. With an error, what it returns is fit to be
// sent back in the answer.
func parseRequest(op ws.Op, payload []byte) (r request, err error) {
	switch {
	case op != ws.OpText:
		return r, errText
	case json.Unmarshal(payload, &r) != nil || r.Do == "":
		return request{}, errJSON
	case len(r.Do) > maxDo:
		return request{}, errUnknown
	case len(r.Tag) > maxTag:
		return request{Do: r.Do}, errTag
	}
	return r, nil
}

func checkName(s string) (string, error) { return checkTitle("name", s) }
func checkRoom(s string) (string, error) { return checkTitle("room's name", s) }

// checkTitle returns s with single blanks between words. Characters that do not
// show, or that turn what stands beside them around, are no part of a name; the
// joiners are, of some scripts and of emoji.
func checkTitle(what, s string) (string, error) {
	s = strings.Join(strings.Fields(s), " ")
	if n := utf8.RuneCountInString(s); n == 0 || n > maxName {
		return "", fmt.Errorf("a %s has 1 to %d characters", what, maxName)
	}
	hidden := func(r rune) bool { return !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d' }
	if strings.ContainsFunc(s, hidden) || !strings.ContainsFunc(s, unicode.IsGraphic) {
		return "", fmt.Errorf("a %s has only characters that one can see", what)
	}
	return s, nil
}

// checkText returns s without blank lines around it.
func checkText(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", errEmpty
	case utf8.RuneCountInString(s) > maxText:
		return "", errLong
	}
	return s, nil
}

// envelope adds to what the hub brings to a room which room that is and, when it is
// kept there, its position: what a page names to catch up from.
func envelope(dst []byte, m ws.Message) []byte {
	if m.Topic == "" {
		return append(dst, m.Payload...)
	}
	dst = append(append(dst, `{"room":`...), encode(m.Topic)...)
	if m.Position != (ws.Position{}) {
		dst = append(append(append(dst, `,"position":"`...), m.Position.String()...), '"')
	}
	return append(append(dst, ','), m.Payload[1:]...)
}

// listRooms encodes the list: the standing rooms, then the others, largest first.
func listRooms(sizes map[string]int) []byte {
	l := roomList{Is: "rooms"}
	for _, room := range standingRooms {
		l.Rooms = append(l.Rooms, roomAndSize{room, sizes[room]})
	}
	for room, n := range sizes {
		if !slices.Contains(standingRooms, room) {
			l.Rooms = append(l.Rooms, roomAndSize{room, n})
		}
	}
	slices.SortFunc(l.Rooms[len(standingRooms):], func(a, b roomAndSize) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Room, b.Room))
	})
	shown := min(len(l.Rooms), maxRooms)
	l.Rooms, l.More = l.Rooms[:shown], len(l.Rooms)-shown
	return encode(l)
}
