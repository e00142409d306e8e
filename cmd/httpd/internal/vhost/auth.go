package vhost

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// auth asks for passwords where the most specific rule that matches has users.
func (b *builder) auth(s *config.Site) (http.Middleware, error) {
	if len(s.Auth) == 0 {
		return nil, nil
	}
	var rules http.Table[*guard]
	var guards []*guard
	for i := range s.Auth {
		a := &s.Auth[i]
		hashes, err := a.Hashes()
		if err != nil {
			return nil, config.Within("auth", i, err)
		}
		realm := string(a.Realm)
		if realm == "" {
			realm = "this site"
		}
		g := &guard{passwords: b.passwords, hashes: hashes, nobodys: nobodys(hashes), realm: realm}
		if err := rules.Add(string(a.Path), g); err != nil {
			return nil, config.Within("auth", i, config.At("path", err))
		}
		guards = append(guards, g)
	}
	for i, g := range guards {
		if name := folderName(string(s.Auth[i].Path)); name != "" && len(g.hashes) > 0 {
			_ = rules.Add(name, g) // refused where another rule says it: that counts
		}
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			g, _, ok := rules.Match(c)
			if !ok || len(g.hashes) == 0 {
				return next(c)
			}
			return g.serve(c, next)
		}
	}, nil
}

// folderName is the pattern of a folder itself, without the slash at its end, where a pattern is that of all below it; "" for others,
// and for the root. An upstream may have the same behind both.
func folderName(pattern string) string {
	if at := strings.LastIndexByte(pattern, '/'); strings.HasPrefix(pattern[at+1:], "{") && strings.HasSuffix(pattern, "...}") {
		pattern = pattern[:at+1]
	}
	name, isFolder := strings.CutSuffix(pattern, "/")
	if !isFolder || !strings.Contains(name, "/") {
		return ""
	}
	return name
}

// guard is one rule. Any goroutine.
type guard struct {
	passwords *passwords
	hashes    map[string][]byte
	nobodys   []byte
	realm     string
}

// serve lets a request through whose password is known to be right, and has the others checked away from the loop: bcrypt is
// made to take long.
func (g *guard) serve(c *http.Ctx, next http.Handler) error {
	user, password, ok := middleware.BasicCredentials(c)
	if !ok {
		return g.challenge(c)
	}
	hash, known := g.hashes[user]
	if !known {
		hash = g.nobodys // so that the time tells no names
	}
	key := g.passwords.key(hash, password)
	if known && g.passwords.remembered(key) {
		return next(c)
	}
	if !g.passwords.begin() {
		return &http.Error{Code: 503, Detail: "too many passwords to check at a time", Header: map[string]string{"Retry-After": "1"}}
	}
	if !c.Inline() {
		return g.answer(c, next, g.passwords.check(key, hash, password) && known)
	}
	a, err := c.Async()
	if err != nil {
		g.passwords.end()
		return err
	}
	go func() {
		right := g.passwords.check(key, hash, password) && known
		_ = a.Answer(func(c *http.Ctx) error { return g.answer(c, next, right) }) // a client that is gone needs none
	}()
	return nil
}

func (g *guard) answer(c *http.Ctx, next http.Handler, right bool) error {
	if !right {
		return g.challenge(c)
	}
	return next(c)
}

func (g *guard) challenge(*http.Ctx) error {
	return &http.Error{Code: 401, Header: map[string]string{"Www-Authenticate": fmt.Sprintf("Basic realm=%q, charset=\"UTF-8\"", g.realm)}}
}

// passwords bounds how many are checked at a time, and remembers those that were right. Any goroutine.
type passwords struct {
	secret  [32]byte
	turns   chan struct{} // one for each check that runs
	waiting chan struct{} // one for each that runs or waits

	mu    sync.Mutex
	right map[[sha256.Size]byte]time.Time // until when
}

const (
	// mostWaiting is how many checks may wait: at a quarter of a second each, more would be in vain.
	mostWaiting = 64
	// remember is how long a password that was right is not checked again.
	remember = 5 * time.Minute
	// mostRemembered bounds the memory.
	mostRemembered = 10_000
)

// nobodys is a hash that no password has and that takes as long to compare with as the dearest of hashes.
func nobodys(hashes map[string][]byte) []byte {
	dearest := bcrypt.MinCost
	for _, h := range hashes {
		if cost, err := bcrypt.Cost(h); err == nil {
			dearest = max(dearest, cost)
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.MinCost)
	if err != nil {
		panic(err) // it fails only for a cost or a length that cannot be
	}
	copy(hash[4:6], fmt.Sprintf("%02d", dearest)) // which is paid when it is compared, and need not be now
	return hash
}

func newPasswords() *passwords {
	p := &passwords{
		turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), waiting: make(chan struct{}, mostWaiting),
		right: make(map[[sha256.Size]byte]time.Time),
	}
	_, _ = rand.Read(p.secret[:]) // never fails: its documentation
	return p
}

// key stands for a password and the hash that it was compared with, so that a changed password is not remembered.
func (p *passwords) key(hash []byte, password string) (key [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.secret[:])
	mac.Write(hash)
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(key[:0])
	return key
}

func (p *passwords) remembered(key [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.right[key]
	return ok && time.Now().Before(until)
}

// begin asks for a place among those that wait; check gives it back.
func (p *passwords) begin() bool {
	select {
	case p.waiting <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p *passwords) end() { <-p.waiting }

// check waits for its turn, which may take a while.
func (p *passwords) check(key [sha256.Size]byte, hash []byte, password string) bool {
	defer p.end()
	p.turns <- struct{}{}
	defer func() { <-p.turns }()
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.right) >= mostRemembered {
		clear(p.right)
	}
	p.right[key] = time.Now().Add(remember)
	return true
}
