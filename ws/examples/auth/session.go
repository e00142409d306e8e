package main

import (
	"crypto/rand"
	"errors"
	nethttp "net/http"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

// session is what a cookie stands for.
type session struct {
	user  string
	over  bool                  // guarded by auth.mu, as is
	conns map[*ws.Conn]struct{} // what it has open
}

func (a *auth) signIn(c *http.Ctx) error {
	user, ok := a.bearer(c)
	if !ok {
		return errWho
	}
	secret := rand.Text()
	a.mu.Lock()
	a.sessions[hash(secret)] = &session{user: user, conns: map[*ws.Conn]struct{}{}}
	a.mu.Unlock()
	cookie := &nethttp.Cookie{Name: sessionCookie, Value: secret, Path: "/", HttpOnly: true, SameSite: nethttp.SameSiteStrictMode}
	return errors.Join(c.SetCookie(cookie), c.NoContent(204))
}

func (a *auth) signOut(c *http.Ctx) error {
	cookie, err := c.Cookie(sessionCookie)
	if err != nil {
		return errWho
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sessions[hash(cookie.Value)]; s != nil {
		delete(a.sessions, hash(cookie.Value))
		s.over = true
		for conn := range s.conns {
			_ = conn.Close(signedOut, "signed out")
		}
	}
	return c.NoContent(204)
}
