package main

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/carillon-go/carillon/ws"
)

// Whatever a guest sends, what is published of it is within bounds and is JSON that
// says the same.
func FuzzChatRequest(f *testing.F) {
	for _, s := range []string{
		`{"do":"hello","key":"0123456789abcdef","name":" Ada  L "}`,
		`{"do":"join","room":"<i>\u202e","since":"1-2"}`,
		`{"do":"say","text":"\ud800 \u0000","tag":"t"}`,
		`{"do":"say","text":"{\"is\":\"here\"}"}`, `{`, `[]`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if !utf8.Valid(p) {
			return // such a text closes the connection
		}
		r, _ := parseRequest(ws.OpText, p)
		if len(r.Do) > maxDo || len(r.Tag) > maxTag {
			t.Fatalf("an answer would carry %d and %d bytes", len(r.Do), len(r.Tag))
		}
		for _, check := range []func(string) (string, error){checkName, checkRoom} {
			name, err := check(r.Name)
			if again, _ := check(name); err == nil && (again != name || utf8.RuneCountInString(name) > maxName) {
				t.Fatalf("%q is allowed, and then is %q", name, again)
			}
		}
		text, err := checkText(r.Text)
		if err != nil {
			return
		}
		m := ws.Message{Topic: r.Room, Position: ws.Position{Epoch: 1, Offset: 2}, Payload: encode(said{Is: "said", Text: text, Tag: r.Tag})}
		var a answer
		if err := json.Unmarshal(envelope(nil, m), &a); err != nil {
			t.Fatal(err)
		}
		if a.Is != "said" || a.Text != text || a.Tag != r.Tag || r.Room != "" && (a.Room != r.Room || a.Position != "1-2") {
			t.Fatalf("%q in %q became %+v", text, r.Room, a)
		}
	})
}
