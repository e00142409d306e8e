package ws

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the history of a topic: right behind the message that has
// it. Only its String goes to clients: the numbers are too large for JavaScript.
type Position struct {
	// Epoch tells one history of a topic from another, with offsets of its own: after
	// a restart, or when the topic was forgotten. Never 0 but in the zero Position.
	Epoch uint64
	// Offset grows with each message. It grows by one when the hub keeps the history;
	// a broker that does may leave gaps.
	Offset uint64
}

// String is what ParsePosition reads: "" for the zero Position.
func (p Position) String() string {
	if p == (Position{}) {
		return ""
	}
	return fmt.Sprintf("%x-%d", p.Epoch, p.Offset)
}

// ParsePosition reads what String wrote.
func ParsePosition(s string) (Position, error) {
	if s == "" {
		return Position{}, nil
	}
	epoch, offset, _ := strings.Cut(s, "-")
	e, err1 := strconv.ParseUint(epoch, 16, 64)
	o, err2 := strconv.ParseUint(offset, 10, 64)
	if err1 != nil || err2 != nil || e == 0 {
		return Position{}, fmt.Errorf("ws: bad position %q", s)
	}
	return Position{e, o}, nil
}
