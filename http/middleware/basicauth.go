package middleware

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carillon-go/carillon/http"
)

// BasicAuth lets only requests through whose user and password check accepts: RFC 7617, in UTF-8. All others are answered by
// 401 with a challenge for the realm, which a browser shows its user; also those whose credentials are malformed: no base64,
// no colon, not UTF-8, control characters. The name is available to handlers by [UserOf].
//
// Passwords cross the wire as good as open, so serve this by TLS only. check runs where the handler does, so it may block
// unless the route is Inline. It should take as long for a user that there is not as for one that there is; see
// [BasicAuthUsers].
//
// It belongs inside Log, CORS and RateLimit. It panics on a nil check and on a realm with control bytes.
func BasicAuth(realm string, check func(user, password string) bool) http.Middleware {
	if check == nil {
		panic("middleware: BasicAuth without a check")
	}
	mustBeFieldValue("BasicAuth: realm", realm)
	refusal := map[string]string{"WWW-Authenticate": "Basic realm=" + quotedString(realm) + `, charset="UTF-8"`}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			user, password, ok := basicCredentials(c.Header("Authorization"))
			if !ok || !check(user, password) {
				return &http.Error{Code: 401, Header: refusal}
			}
			c.Set(userKey{}, user)
			return next(c)
		}
	}
}

// BasicAuthUsers is [BasicAuth] with a fixed set of users and their passwords, for a few of them: each request is compared
// with all, by hashes, so that the time it takes tells neither which names there are nor how much of a password was right.
// It panics when there are no users, and on names and passwords that cannot be sent: not UTF-8, with control characters, or
// with a colon in the name.
func BasicAuthUsers(realm string, users map[string]string) http.Middleware {
	if len(users) == 0 {
		panic("middleware: BasicAuthUsers without users")
	}
	known := make([][2][sha256.Size]byte, 0, len(users))
	for user, password := range users {
		if strings.Contains(user, ":") || !isCredential(user) || !isCredential(password) {
			panic(fmt.Sprintf("middleware: BasicAuthUsers: user %q cannot log in with such a name or password", user))
		}
		known = append(known, [2][sha256.Size]byte{sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))})
	}
	return BasicAuth(realm, func(user, password string) bool {
		u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
		found := 0
		for i := range known {
			found |= subtle.ConstantTimeCompare(u[:], known[i][0][:]) & subtle.ConstantTimeCompare(p[:], known[i][1][:])
		}
		return found == 1
	})
}

type userKey struct{}

// UserOf returns the name of the user that [BasicAuth] has let through; "" where it did not run. Any goroutine may call it.
func UserOf(c *http.Ctx) string {
	user, _ := http.Get[string](c, userKey{})
	return user
}

// BasicCredentials returns the name and the password that a request brings, for who checks them in a way of its own; ok is false
// without any, and for malformed ones. Nobody has proved them yet.
func BasicCredentials(c *http.Ctx) (user, password string, ok bool) {
	return basicCredentials(c.Header("Authorization"))
}

// basicCredentials reads an Authorization: RFC 7617 section 2.
func basicCredentials(authorization string) (user, password string, ok bool) {
	encoded, ok := credentialsOf(authorization, "Basic")
	if !ok {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !isCredential(string(decoded)) {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}

// credentialsOf takes the scheme, in whatever case, and the blanks behind it off an Authorization: RFC 9110 section 11.4.
func credentialsOf(authorization, scheme string) (string, bool) {
	name, rest, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(name, scheme) {
		return "", false
	}
	return strings.TrimLeft(rest, " "), true
}

// isCredential accepts UTF-8 without control characters: RFC 7617 section 2.
func isCredential(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}
