package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/ws"
	"github.com/coder/websocket"
)

func TestChatRooms(t *testing.T) {
	_, url := startChat(t)
	ada := enter(t, url, "Ada", "Lobby")
	ben := enter(t, url, "Ben", "Lobby")
	cyd := enter(t, url, "Cyd", "Tea party")
	ada.sees("Lobby", "Ada", "Ben")
	cyd.sees("Tea party", "Cyd")

	ada.say("to the lobby")
	cyd.say("to the party")
	a := ben.await("said")
	if a.Room != "Lobby" || a.By != ada.id || a.Name != "Ada" || a.Text != "to the lobby" || a.Tag != "1" || a.Time == 0 || a.Position == "" {
		t.Errorf("Ben got %+v", a)
	}
	ada.hears("to the lobby") // who says it gets it too
	cyd.hears("to the party")

	ben.send(request{Do: "join", Room: "Tea party"})
	if a := ben.await("joined"); a.Missed != 1 || !a.Complete || a.People.Count != 2 {
		t.Errorf("Ben got %+v", a)
	}
	ben.hears("to the party")
	ada.sees("Lobby", "Ada")
	cyd.sees("Tea party", "Ben", "Cyd")
	ada.lists(roomAndSize{"Lobby", 1}, roomAndSize{"Belfry", 0}, roomAndSize{"Workshop", 0}, roomAndSize{"Tea party", 2})

	ada.say("alone")
	ben.say("here I am") // had Ben heard "alone", this were not next
	ben.hears("here I am")
	cyd.hears("here I am")

	ben.s.Close(ws.CodeNormalClosure, "")
	cyd.send(request{Do: "join", Room: "Lobby"})
	ada.lists(roomAndSize{"Lobby", 2}, roomAndSize{"Belfry", 0}, roomAndSize{"Workshop", 0})
}

func TestChatNames(t *testing.T) {
	_, url := startChat(t)
	ada := enter(t, url, "Ada", "Lobby")
	twin := enter(t, url, "Ada", "Lobby") // another tab
	if ada.id != twin.id {
		t.Errorf("one key is %s and %s", ada.id, twin.id)
	}
	ben := enter(t, url, "Ben", "Lobby")
	ben.sees("Lobby", "Ada", "Ben")
	if ben.id == ada.id {
		t.Error("two keys are one person")
	}
	ben.send(request{Do: "name", Name: "  Ada\u3000Lovelace "})
	if a := ben.await("you"); a.Name != "Ada Lovelace" || a.ID != ben.id {
		t.Errorf("Ben is now %+v", a)
	}
	ada.sees("Lobby", "Ada", "Ada Lovelace")
	ben.say("I")
	if a := ada.await("said"); a.Name != "Ada Lovelace" || a.By != ben.id {
		t.Errorf("Ada heard %+v", a)
	}
	twin.s.Close(ws.CodeNormalClosure, "")
	ben.send(request{Do: "name", Name: "Ben"})
	ada.sees("Lobby", "Ada", "Ben")
}

// A new name on the way to the room's history must not be a departure in it.
func TestChatAnnouncesANewNameOnce(t *testing.T) {
	_, url := startChat(t)
	ada := enter(t, url, "Ada", "Lobby")
	ben := enter(t, url, "Ben", "Lobby")
	ada.sees("Lobby", "Ada", "Ben")
	ben.send(request{Do: "name", Name: "Benjamin"})
	for {
		a := ada.await("here")
		if a.People.Count != 2 {
			t.Errorf("%d people are announced: %+v", a.People.Count, a.People.List)
		}
		if slices.Contains(a.People.List, person{ben.id, "Benjamin"}) {
			break
		}
	}
}

func TestChatCatchesUp(t *testing.T) {
	_, url := startChat(t)
	ada, ben := enter(t, url, "Ada", "Lobby"), enter(t, url, "Ben", "Lobby")
	ada.say("one")
	ben.hears("one")
	ada.hears("one")
	at := ben.position
	ben.s.Close(ws.CodeGoingAway, "")
	ada.say("two")
	ada.say("three")
	ada.hears("two", "three")

	back := connect(t, url)
	back.send(request{Do: "hello", Key: "BenBenBenBenBenB", Name: "Ben"})
	back.send(request{Do: "join", Room: "Lobby", Since: at})
	if a := back.await("joined"); !a.Complete || a.Missed != 2 {
		t.Errorf("Ben got %+v", a)
	}
	ada.say("four")
	back.hears("two", "three", "four")

	// A position of another history: all that is kept, and the word that it is not all.
	late := connect(t, url)
	late.send(request{Do: "hello", Key: strings.Repeat("x", 16), Name: "Late"})
	late.send(request{Do: "join", Room: "Lobby", Since: "1-7"})
	if a := late.await("joined"); a.Complete || a.Missed != 4 {
		t.Errorf("who comes from before a restart got %+v", a)
	}
	late.hears("one", "two", "three", "four")
}

func TestChatKeepsTheLast(t *testing.T) {
	chat, url := startChat(t)
	ada := enter(t, url, "Ada", "Lobby")
	for i := range keptMessages + 5 {
		text := fmt.Sprint(i)
		if err := chat.say(&guest{id: "x", name: "y", room: "Lobby"}, request{Text: text}); err != nil {
			t.Fatal(err)
		}
		ada.hears(text)
	}
	ben := connect(t, url)
	ben.send(request{Do: "hello", Key: strings.Repeat("b", 16), Name: "Ben"})
	ben.send(request{Do: "join", Room: "Lobby"})
	if a := ben.await("joined"); a.Complete || a.Missed != keptMessages {
		t.Errorf("Ben got %+v", a)
	}
	ben.hears("5")
}

// Bad input is answered and changes nothing: the next message is heard as ever.
func TestChatRefuses(t *testing.T) {
	_, url := startChat(t)
	const key = "0123456789abcdef"
	hello := `{"do":"hello","key":"` + key + `","name":"Ada"}`
	join := `{"do":"join","room":"Lobby"}`
	text := func(s string) string { return string(encode(request{Do: "say", Text: s, Tag: "t"})) }
	name := func(s string) string { return string(encode(request{Do: "name", Name: s})) }
	for _, tt := range []struct {
		name string
		send []string // all but the last are no error
		why  error
	}{
		{"empty message", []string{``}, errJSON},
		{"no JSON", []string{`hello`}, errJSON},
		{"JSON that is cut", []string{`{"do":"ping"`}, errJSON},
		{"JSON with something behind", []string{`{"do":"ping"}{}`}, errJSON},
		{"array", []string{`["ping"]`}, errJSON},
		{"null", []string{`null`}, errJSON},
		{"number for a text", []string{`{"do":"say","text":1}`}, errJSON},
		{"deep", []string{strings.Repeat(`[`, 11_000)}, errJSON},
		{"nothing to do", []string{`{"text":"x"}`}, errJSON},
		{"unknown", []string{`{"do":"shout"}`}, errUnknown},
		{"long unknown", []string{`{"do":"` + strings.Repeat("<", 5000) + `"}`}, errUnknown},
		{"join before hello", []string{join}, errNoHello},
		{"say before hello", []string{text("x")}, errNoRoom},
		{"name before hello", []string{name("Ada")}, errNoHello},
		{"say before join", []string{hello, text("x")}, errNoRoom},
		{"second hello", []string{hello, hello}, errSecondHello},
		{"short key", []string{`{"do":"hello","key":"123456789abcdef","name":"Ada"}`}, errKey},
		{"long key", []string{`{"do":"hello","key":"` + strings.Repeat("k", maxKey+1) + `","name":"Ada"}`}, errKey},
		{"no name", []string{`{"do":"hello","key":"` + key + `"}`}, fmt.Errorf("a name has 1 to %d characters", maxName)},
		{"blank name", []string{hello, name(" \t\u3000")}, fmt.Errorf("a name has 1 to %d characters", maxName)},
		{"long name", []string{hello, name(strings.Repeat("ä", maxName+1))}, fmt.Errorf("a name has 1 to %d characters", maxName)},
		{"name that turns around", []string{hello, name("a\u202eb")}, fmt.Errorf("a name has only characters that one can see")},
		{"name that does not show", []string{hello, name("\u200d")}, fmt.Errorf("a name has only characters that one can see")},
		{"name with a null", []string{hello, name("a\x00")}, fmt.Errorf("a name has only characters that one can see")},
		{"no room", []string{hello, `{"do":"join"}`}, fmt.Errorf("a room's name has 1 to %d characters", maxName)},
		{"long room", []string{hello, `{"do":"join","room":"` + strings.Repeat("r", maxName+1) + `"}`}, fmt.Errorf("a room's name has 1 to %d characters", maxName)},
		{"bad position", []string{hello, `{"do":"join","room":"Lobby","since":"x"}`}, errPosition},
		{"position out of range", []string{hello, `{"do":"join","room":"Lobby","since":"1-99999999999999999999"}`}, errPosition},
		{"blank text", []string{hello, join, text(" \n ")}, errEmpty},
		{"long text", []string{hello, join, text(strings.Repeat("é", maxText+1))}, errLong},
		{"long text, escaped", []string{hello, join, text(strings.Repeat("<", maxText+1))}, errLong},
		{"long tag", []string{hello, join, `{"do":"say","text":"x","tag":"` + strings.Repeat("t", maxTag+1) + `"}`}, errTag},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, url)
			for _, s := range tt.send {
				c.write(ws.OpText, []byte(s))
			}
			a := c.read()
			for a.Is != "refused" {
				a = c.read()
			}
			if a.Why != tt.why.Error() || a.Retry || len(a.Do) > maxDo || len(a.Tag) > maxTag {
				t.Errorf("got %+v, want %v", a, tt.why)
			}
			c.send(request{Do: "ping"})
			c.await("pong")
			if !slices.Contains(tt.send, hello) || tt.name == "second hello" {
				return
			}
			c.send(request{Do: "join", Room: tt.name})
			c.await("joined")
			c.say("goes on")
			if a := c.await("said"); a.Text != "goes on" || a.Name != "Ada" {
				t.Errorf("got %+v", a)
			}
		})
	}
	t.Run("binary", func(t *testing.T) {
		c := connect(t, url)
		c.write(ws.OpBinary, []byte(`{"do":"ping"}`))
		c.await("rooms")
		if a := c.read(); a.Is != "refused" || a.Why != errText.Error() {
			t.Errorf("got %+v", a)
		}
	})
}

func TestChatTakesTheLongestText(t *testing.T) {
	_, url := startChat(t)
	ada := enter(t, url, "Ada", "Lobby")
	for _, tt := range []struct{ name, escaped, text string }{
		{"bytes", "x", "x"},
		{"characters of four bytes", "🔔", "🔔"},
		{"surrogates", `\ud83d\udd14`, "🔔"},
		{"markup", "<", "<"},
	} {
		ada.write(ws.OpText, []byte(`{"do":"say","tag":"0123456789abcdef","text":"`+strings.Repeat(tt.escaped, maxText)+`"}`))
		if a := ada.await("said"); a.Text != strings.Repeat(tt.text, maxText) {
			t.Errorf("%s: %d bytes came back", tt.name, len(a.Text))
		}
	}
	ada.write(ws.OpText, make([]byte, maxMessage+1))
	for {
		if _, _, err := ada.s.Read(ada.ctx); err != nil {
			if !errors.Is(err, &ws.CloseError{Code: ws.CodeMessageTooBig}) {
				t.Error(err)
			}
			break
		}
	}
	enter(t, url, "Ben", "Lobby").sees("Lobby", "Ben")
}

// Markup arrives as it was written, and not as markup in the JSON either.
func TestChatMarkup(t *testing.T) {
	_, url := startChat(t)
	const markup = `</script><img src=x onerror=alert(1)>&amp;"'\u2028`
	ada := enter(t, url, "Ada", "<i>Lobby</i>")
	ada.send(request{Do: "name", Name: "<b>Ada</b>"})
	ada.send(request{Do: "say", Text: markup, Tag: "<tag>"})
	for {
		_, p, err := ada.s.Read(ada.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(p), "<>&") {
			t.Errorf("%s", p)
		}
		var a answer
		if err := json.Unmarshal(p, &a); err != nil {
			t.Fatal(err)
		}
		if a.Is == "said" {
			if a.Text != markup || a.Room != "<i>Lobby</i>" || a.Name != "<b>Ada</b>" || a.Tag != "<tag>" {
				t.Errorf("got %+v", a)
			}
			return
		}
	}
}

// Whoever asks too often is told so, and nobody hears it; others are not held up.
func TestChatLimitsTheRate(t *testing.T) {
	_, url := startChat(t)
	ada, ben := enter(t, url, "Ada", "Lobby"), enter(t, url, "Ben", "Lobby")
	const many = 10 * burst
	for i := range many {
		ada.send(request{Do: "say", Text: fmt.Sprint(i), Tag: fmt.Sprint(i)})
	}
	var said, refused []string
	for len(said)+len(refused) < many {
		switch a := ada.read(); a.Is {
		case "said":
			said = append(said, a.Tag)
		case "refused":
			refused = append(refused, a.Tag)
			if a.Do != "say" || !a.Retry || a.Why != errTooFast.Error() {
				t.Errorf("got %+v", a)
			}
		}
	}
	if len(said) < burst-2 || len(refused) == 0 {
		t.Errorf("%d were said and %d refused", len(said), len(refused))
	}
	ben.say("my turn")
	ben.hears(append(said, "my turn")...)
}

// A guest whose client does not read is closed, and counted; the room goes on.
func TestChatClosesWhoDoesNotRead(t *testing.T) {
	chat, url := startChat(t)
	ada := enter(t, url, "Ada", "Lobby")
	ben, _, err := websocket.Dial(ada.ctx, url, nil) // its client reads only when told to
	if err != nil {
		t.Fatal(err)
	}
	defer ben.CloseNow()
	for _, r := range []request{{Do: "hello", Key: strings.Repeat("b", 16), Name: "Ben"}, {Do: "join", Room: "Lobby"}} {
		if err := ben.Write(ada.ctx, websocket.MessageText, encode(r)); err != nil {
			t.Fatal(err)
		}
	}
	ada.sees("Lobby", "Ada", "Ben")
	text := strings.Repeat("🔔", maxText)
	other := &guest{id: "x", name: "y", room: "Lobby"}
	for chat.stats.Slow.Load() == 0 {
		if err := chat.say(other, request{Text: text}); err != nil {
			t.Fatal(err)
		}
		ada.hears(text)
	}
	ada.sees("Lobby", "Ada")
}
