package middleware

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/url"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// KeyAuthOptions say where a key is looked for and who knows it. Without Header, Cookie and Query it is the bearer token of
// Authorization.
type KeyAuthOptions struct {
	// Keys are all keys, each with the name of its holder, which is the identity. Each request is compared with all of them,
	// by hashes, in the same time whatever was right.
	Keys map[string]string
	// Validate finds out whose a key is; what it returns is what [IdentityOf] finds. It runs where the handler does, so it
	// may block unless the route is Inline. Set either Keys or Validate.
	Validate func(c *http.Ctx, key string) (identity any, ok bool)

	// Bearer looks in "Authorization: Bearer KEY", beside the places below; without those it is the default.
	Bearer bool
	// Header is the name of a header line whose value is the key, such as "X-API-Key".
	Header string
	// Cookie is the name of a cookie whose value is the key. Browsers send it along also for requests that a foreign page
	// has made: use [CSRF] as well.
	Cookie string
	// Query is the name of a parameter of the query whose value is the key. Do not use it if there is another way: the key
	// is then part of the URL, and ends up in the logs of every server and proxy, in histories and in bookmarks: RFC 6750
	// section 5.3.
	Query string

	// Realm of the challenge. Default none.
	Realm string
}

// KeyAuth lets only requests through that bring a key which is known. Others are answered by 401 with a challenge, in the
// way of RFC 6750 section 3: without an error code when there is no key, and as invalid_token when there is a wrong one.
// Keys in more than one place, and a bearer token with characters that none has, are 400 and invalid_request. The challenge
// is Bearer; where no bearer token is accepted it is ApiKey, which is no registered scheme, because a 401 must have one.
//
// Answers vary by the header line that the key is in, and those to a key in the query are private, so that a shared cache
// does not hand them to others.
//
// It belongs inside Log, CORS and RateLimit. It panics on options that contradict each other, and on names that are no
// tokens.
func KeyAuth(opts KeyAuthOptions) http.Middleware {
	if (len(opts.Keys) == 0) == (opts.Validate == nil) {
		panic("middleware: KeyAuth needs either Keys or Validate")
	}
	if opts.Header == "" && opts.Cookie == "" && opts.Query == "" {
		opts.Bearer = true
	}
	for _, name := range []string{opts.Header, opts.Cookie} {
		if name != "" {
			mustBeToken("KeyAuth", name)
		}
	}
	if opts.Bearer && strings.EqualFold(opts.Header, "Authorization") {
		panic("middleware: KeyAuth: Authorization holds either a bearer token or a bare key")
	}
	if opts.Bearer && opts.Header == "" && opts.Cookie == "" && opts.Query == "" {
		for key := range opts.Keys {
			if !isBearerToken(key) {
				panic("middleware: KeyAuth: a key that no bearer token can be: RFC 6750 section 2.1 has letters, digits and -._~+/=")
			}
		}
	}
	if opts.Validate == nil {
		opts.Validate = keySet(opts.Keys)
	}
	challenge := newKeyChallenge(&opts)
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if err := opts.mark(c); err != nil {
				return err
			}
			key, found, malformed := opts.find(c)
			switch {
			case malformed || found > 1:
				return challenge.refuse(400, "invalid_request", "send one key, well formed")
			case found == 0:
				return challenge.refuse(401, "", "a key is needed")
			}
			identity, ok := opts.Validate(c, key)
			if !ok {
				return challenge.refuse(401, "invalid_token", "the key is not valid")
			}
			c.Set(identityKey{}, identity)
			return next(c)
		}
	}
}

type identityKey struct{}

// IdentityOf returns whose key [KeyAuth] has found: what Validate returned, or the name in Keys; nil where it did not run.
// Any goroutine may call it.
func IdentityOf(c *http.Ctx) any { return c.Value(identityKey{}) }

func keySet(keys map[string]string) func(*http.Ctx, string) (any, bool) {
	type known struct {
		hash   [sha256.Size]byte
		holder string
	}
	var all []known
	for key, holder := range keys {
		if key == "" {
			panic("middleware: KeyAuth: an empty key")
		}
		all = append(all, known{sha256.Sum256([]byte(key)), holder})
	}
	return func(_ *http.Ctx, key string) (any, bool) {
		hash, at := sha256.Sum256([]byte(key)), -1
		for i := range all {
			at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], all[i].hash[:]), i, at)
		}
		if at < 0 {
			return nil, false
		}
		return all[at].holder, true
	}
}

// mark keeps caches from mixing up the answers to different keys. Authorization does that by itself: RFC 9111 section 3.5.
func (o *KeyAuthOptions) mark(c *http.Ctx) error {
	if o.Header != "" && !strings.EqualFold(o.Header, "Authorization") {
		if err := c.VaryBy(o.Header); err != nil {
			return err
		}
	}
	if o.Cookie != "" {
		if err := c.VaryBy("Cookie"); err != nil {
			return err
		}
	}
	if o.Query != "" { // RFC 6750 section 2.3
		return c.SetHeader("Cache-Control", "private")
	}
	return nil
}

// find returns the key, and in how many places there is one.
func (o *KeyAuthOptions) find(c *http.Ctx) (key string, found int, malformed bool) {
	take := func(candidate string) {
		if candidate != "" {
			key = candidate
			found++
		}
	}
	if o.Bearer {
		token, ok := credentialsOf(c.Header("Authorization"), "Bearer")
		if ok && !isBearerToken(token) {
			return "", 0, true
		}
		take(token)
	}
	if o.Header != "" {
		take(c.Header(o.Header))
	}
	if o.Cookie != "" {
		if cookie, err := c.Cookie(o.Cookie); err == nil {
			take(cookie.Value)
		}
	}
	if o.Query != "" {
		query, err := url.ParseQuery(c.RawQuery())
		if err != nil || len(query[o.Query]) > 1 {
			return "", 0, true
		}
		take(query.Get(o.Query))
	}
	return key, found, false
}

var bearerBytes = syntax.Where(func(c byte) bool { return syntax.IsAlnum(c) || strings.IndexByte("-._~+/", c) >= 0 })

// isBearerToken accepts b64token of RFC 6750 section 2.1.
func isBearerToken(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && bearerBytes.HasAll(s)
}

// keyChallenge holds the refusals of a KeyAuth, by the error code of RFC 6750 section 3.1.
type keyChallenge map[string]map[string]string

func newKeyChallenge(o *KeyAuthOptions) keyChallenge {
	mustBeFieldValue("KeyAuth: Realm", o.Realm)
	scheme := "ApiKey"
	if o.Bearer {
		scheme = "Bearer"
	}
	ch := make(keyChallenge)
	for _, code := range []string{"", "invalid_request", "invalid_token"} {
		var params []string
		if o.Realm != "" {
			params = append(params, "realm="+quotedString(o.Realm))
		}
		if code != "" {
			params = append(params, `error="`+code+`"`)
		}
		ch[code] = map[string]string{"WWW-Authenticate": strings.TrimRight(scheme+" "+strings.Join(params, ", "), " ")}
	}
	return ch
}

func (ch keyChallenge) refuse(status int, code, detail string) error {
	return &http.Error{Code: status, Detail: detail, Header: ch[code]}
}
