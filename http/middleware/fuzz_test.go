package middleware

import (
	"encoding/base64"
	nethttp "net/http"
	"net/url"
	"strings"
	"testing"
)

// Go's net/http is the second opinion: what we accept, it reads in the same way. It accepts more.
func FuzzBasicCredentials(f *testing.F) {
	for _, s := range []string{"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic  Og==", "Basic", "Basic !", "Basic QQ==", "Bearer x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		user, password, ok := basicCredentials(line)
		if !ok {
			return
		}
		if strings.Contains(user, ":") || !isCredential(user) || !isCredential(password) {
			t.Errorf("%q gives %q, %q", line, user, password)
		}
		plain := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		if !strings.EqualFold(strings.ReplaceAll(line, " ", ""), strings.ReplaceAll(plain, " ", "")) {
			t.Errorf("%q reads as %q", line, plain)
		}
		r := nethttp.Request{Header: nethttp.Header{"Authorization": {plain}}}
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			t.Errorf("%q is %q, %q to us, %q, %q to net/http", line, user, password, u, p)
		}
	})
}

// However an origin is written: when a pattern has it, its host is below that of the pattern for whoever parses it.
func FuzzOriginsBelow(f *testing.F) {
	for _, s := range []string{"https://a.example.com", "https://evil.net/.example.com", "https://evil.net:1.example.com", "https://a@b.example.com", "null"} {
		f.Add(s)
	}
	pattern := originsBelow{scheme: "https://", suffix: ".example.com"}
	f.Fuzz(func(t *testing.T, origin string) {
		if !pattern.has(origin) {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Host != u.Hostname() || !strings.HasSuffix(u.Host, ".example.com") || u.Scheme+"://"+u.Host != origin {
			t.Errorf("has %q: %v, %v", origin, u, err)
		}
	})
}
