package http

import (
	"fmt"
	nethttp "net/http"
	"strings"
)

// Cookies returns the cookies of the request. What is no cookie of RFC 6265 is left out. Only Name, Value and Quoted are set,
// for a client says no more.
func (c *Ctx) Cookies() []*nethttp.Cookie { return c.cookieRequest().Cookies() }

// Cookie returns the first cookie of that name. Error: net/http's ErrNoCookie when there is none.
func (c *Ctx) Cookie(name string) (*nethttp.Cookie, error) { return c.cookieRequest().Cookie(name) }

// cookieRequest is a request of net/http with the cookies of this one, for it reads them well.
func (c *Ctx) cookieRequest() *nethttp.Request {
	x := c.live()
	var lines []string
	for _, f := range x.head.fields {
		if int(f.name.end-f.name.off) == len("cookie") && sameName(f.name.of(x.raw), "cookie") {
			lines = append(lines, string(f.value.of(x.raw)))
		}
	}
	if lines == nil {
		return &nethttp.Request{}
	}
	return &nethttp.Request{Header: nethttp.Header{"Cookie": lines}}
}

// SetCookie adds a Set-Cookie line. It does nothing after the answer has begun.
//
// ErrBadHeader: a cookie that its Valid method refuses (a name that is no token, a byte in a value, path or domain that may
// not be there, such as ";", quotes or a control byte), and one that browsers drop without a word: SameSite=None without
// Secure, __Secure- without Secure, __Host- without Secure and Path=/ or with a Domain.
func (c *Ctx) SetCookie(cookie *nethttp.Cookie) error {
	c.live()
	if err := checkCookie(cookie); err != nil {
		return err
	}
	return c.AddHeader("Set-Cookie", cookie.String())
}

func checkCookie(k *nethttp.Cookie) error {
	if err := k.Valid(); err != nil {
		return fmt.Errorf("%w: cookie: %w", ErrBadHeader, err)
	}
	for _, part := range [...]string{k.Name, k.Value, k.Path, k.Domain} {
		if strings.ContainsAny(part, ";\r\n\x00") {
			return fmt.Errorf("%w: cookie %q: %q", ErrBadHeader, k.Name, part)
		}
	}
	why := ""
	switch host := hasPrefixFold(k.Name, "__host-"); {
	case k.SameSite == nethttp.SameSiteNoneMode && !k.Secure:
		why = "SameSite=None needs Secure"
	case (host || hasPrefixFold(k.Name, "__secure-")) && !k.Secure:
		why = "its prefix needs Secure"
	case host && (k.Path != "/" || k.Domain != ""):
		why = "__Host- needs Path=/ and no Domain"
	}
	if why != "" {
		return fmt.Errorf("%w: cookie %q: %s", ErrBadHeader, k.Name, why)
	}
	return nil
}

// hasPrefixFold compares without regard to the case of ASCII letters; prefix is in small letters.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(viewOf(s[:len(prefix)]), prefix)
}
