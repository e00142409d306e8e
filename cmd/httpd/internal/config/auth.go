package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/carillon-go/carillon/http"
)

func (s *Site) checkAuth() error {
	var t http.Table[struct{}]
	for i := range s.Auth {
		a := &s.Auth[i]
		if a.Path == "" {
			return Within("auth", i, At("path", errors.New("is missing: a pattern such as /admin/")))
		}
		if err := t.Add(string(a.Path), struct{}{}); err != nil {
			return Within("auth", i, At("path", err))
		}
		if _, err := a.Hashes(); err != nil {
			return Within("auth", i, err)
		}
	}
	return nil
}

// dearest is the highest cost of a hash: some seconds, in which nobody else's password is checked there. Each more doubles it.
const dearest = 16

// Hashes are the users and the bcrypt hashes of their passwords, those of the file included, as it is now. Empty: everybody may
// pass.
func (a *Auth) Hashes() (map[string][]byte, error) {
	hashes := map[string][]byte{}
	add := func(name, hash string) error {
		if name == "" || strings.Contains(name, ":") {
			return fmt.Errorf("%q is no name of a user", name)
		}
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil {
			return fmt.Errorf("the password of %q is no bcrypt hash: htpasswd -nB %s makes one", name, name)
		}
		if cost > dearest {
			return fmt.Errorf("the password of %q has a hash of cost %d, which takes too long to check: want %d at most", name, cost, dearest)
		}
		hashes[name] = []byte(hash)
		return nil
	}
	for name, hash := range a.Users {
		if err := add(name, hash); err != nil {
			return nil, At("users", err)
		}
	}
	if a.File == "" {
		return hashes, nil
	}
	text, err := os.ReadFile(string(a.File))
	if err != nil {
		return nil, At("file", err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		if err := add(name, hash); err != nil {
			return nil, At("file", fmt.Errorf("%s:%d: %w", a.File, i+1, err))
		}
	}
	if len(hashes) == 0 {
		return nil, At("file", fmt.Errorf("%s has no user, which would let everybody in", a.File))
	}
	return hashes, nil
}
