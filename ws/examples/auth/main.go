// Auth lets only those upgrade who say who they are: by a bearer token, as programs do,
// or by the cookie of a session, since a page cannot set headers of a WebSocket.
//
//	AUTH_TOKENS=ann:secret1,bob:secret2 go run ./auth -listen 127.0.0.1:8080
//	curl -i -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
//		-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://127.0.0.1:8080/ws
//
// is answered 401. With -H 'Authorization: Bearer secret1' it is 101, and "hello, ann"
// follows. A browser gets its cookie by POST /session with that header, and loses it by
// DELETE /session, which closes what it had opened, with code 4401.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"log"
	"os"
	"strings"
	"sync"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve at")
	flag.Parse()
	// Tokens are no flag, because everybody on the machine can read those.
	a, err := newAuth(os.Getenv("AUTH_TOKENS"))
	if err == nil {
		err = a.app().Run(*listen)
	}
	if err != nil {
		log.Fatal("auth: ", err)
	}
}

const sessionCookie = "session"

// signedOut is what an application's own codes are for: 4000 to 4999.
const signedOut ws.Code = 4401

// auth knows secrets by their hashes: how long a look-up takes says nothing of them.
type auth struct {
	tokens map[[32]byte]string // users

	mu       sync.Mutex
	sessions map[[32]byte]*session // guarded by mu
}

func newAuth(tokens string) (*auth, error) {
	a := &auth{tokens: map[[32]byte]string{}, sessions: map[[32]byte]*session{}}
	for pair := range strings.SplitSeq(tokens, ",") {
		user, token, _ := strings.Cut(pair, ":")
		if user == "" || token == "" {
			return nil, errors.New("AUTH_TOKENS has to be USER:TOKEN, or more with commas between")
		}
		a.tokens[hash(token)] = user
	}
	return a, nil
}

func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

func (a *auth) app() *http.App {
	app := http.New()
	app.Get("/ws", ws.Endpoint(a, ws.WithAccept(a.accept)))
	app.Post("/session", a.signIn)
	app.Delete("/session", a.signOut)
	return app
}

var errWho = &http.Error{Code: 401, Detail: "a bearer token or a session is needed", Header: map[string]string{"WWW-Authenticate": "Bearer"}}

// bearer is the user whose token came with a request.
func (a *auth) bearer(c *http.Ctx) (user string, ok bool) {
	scheme, token, _ := strings.Cut(c.Header("Authorization"), " ")
	user, ok = a.tokens[hash(token)]
	return user, ok && strings.EqualFold(scheme, "Bearer")
}

// accept says whose a connection is, before it is one: its Value. Only pages of our own
// origin get here with a cookie, because Endpoint refuses the others.
func (a *auth) accept(c *http.Ctx) (any, error) {
	if user, ok := a.bearer(c); ok {
		return &session{user: user, conns: map[*ws.Conn]struct{}{}}, nil
	}
	if cookie, err := c.Cookie(sessionCookie); err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		if s := a.sessions[hash(cookie.Value)]; s != nil {
			return s, nil
		}
	}
	return nil, errWho
}

func (a *auth) OnOpen(c *ws.Conn) {
	s := c.Value().(*session)
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.over { // since accept
		_ = c.Close(signedOut, "signed out")
		return
	}
	s.conns[c] = struct{}{}
	_ = c.Send(ws.OpText, []byte("hello, "+s.user)) // an error is a connection that ends
}

func (a *auth) OnMessage(c *ws.Conn, op ws.Op, p []byte) {
	_ = c.Send(op, append([]byte(c.Value().(*session).user+": "), p...))
}

func (a *auth) OnClose(c *ws.Conn, _ ws.Code, _ string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(c.Value().(*session).conns, c)
}
