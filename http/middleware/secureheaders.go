package middleware

import (
	"strconv"
	"time"

	"github.com/carillon-go/carillon/http"
)

// SecureHeadersOptions choose the values of header lines by which a browser protects a site's users. "" is the default of
// each, "-" sends none of that name.
type SecureHeadersOptions struct {
	// ContentTypeOptions is X-Content-Type-Options. Default nosniff: a browser takes a body for what Content-Type says.
	ContentTypeOptions string
	// FrameOptions is X-Frame-Options: which pages may show this one in a frame. Default SAMEORIGIN; none when
	// FrameAncestors is set, which says more.
	FrameOptions string
	// FrameAncestors is the value of the directive frame-ancestors, which is put behind ContentSecurityPolicy: "'none'",
	// "'self' https://partner.example". Default none.
	FrameAncestors string
	// ReferrerPolicy is Referrer-Policy. Default strict-origin-when-cross-origin.
	ReferrerPolicy string
	// PermissionsPolicy is Permissions-Policy. Default none.
	PermissionsPolicy string
	// ContentSecurityPolicy is Content-Security-Policy. Default none, for nobody can guess what a page needs.
	ContentSecurityPolicy string
	// OpenerPolicy is Cross-Origin-Opener-Policy. Default none.
	OpenerPolicy string
	// ResourcePolicy is Cross-Origin-Resource-Policy. Default none.
	ResourcePolicy string

	// HSTS is for how long browsers shall come by TLS only: Strict-Transport-Security, RFC 6797, in whole seconds. It is
	// sent when the request came by TLS, as [IsHTTPS] knows it; browsers ignore it otherwise, and the RFC forbids it. 0 is
	// none: there is no way back for a browser that has seen it. Negative sends 0 seconds, by which browsers forget it.
	HSTS time.Duration
	// HSTSSubdomains adds includeSubDomains.
	HSTSSubdomains bool
	// HSTSPreload adds preload, by which the owner of the domain agrees to its being put in browsers' lists.
	HSTSPreload bool
	// HSTSAlways sends it with every answer, for a server that is only reached through a proxy which speaks TLS.
	HSTSAlways bool
}

// SecureHeaders sets header lines for browsers on all answers, errors as well. They are set before the handler runs, so that
// a line which it sets itself by SetHeader, or which a net/http handler sets, replaces the one from here, and one that it
// takes out by DelHeader is not sent.
//
// It belongs near the outside, inside [RealIP] where that tells it of TLS. It panics on a value with control bytes, and on
// HSTS details without HSTS.
func SecureHeaders(opts SecureHeadersOptions) http.Middleware {
	lines := opts.lines()
	hsts := opts.hsts()
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			for _, line := range lines {
				if err := c.SetHeader(line[0], line[1]); err != nil {
					return err
				}
			}
			if hsts != "" && (opts.HSTSAlways || IsHTTPS(c)) {
				if err := c.SetHeader("Strict-Transport-Security", hsts); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}

func (o *SecureHeadersOptions) lines() (lines [][2]string) {
	frame := "SAMEORIGIN"
	csp := o.ContentSecurityPolicy
	if o.FrameAncestors != "" && o.FrameAncestors != "-" {
		frame = "-"
		if csp == "-" || csp == "" {
			csp = ""
		} else {
			csp += "; "
		}
		csp += "frame-ancestors " + o.FrameAncestors
	}
	for _, line := range [...]struct{ name, value, standard string }{
		{"X-Content-Type-Options", o.ContentTypeOptions, "nosniff"},
		{"X-Frame-Options", o.FrameOptions, frame},
		{"Referrer-Policy", o.ReferrerPolicy, "strict-origin-when-cross-origin"},
		{"Permissions-Policy", o.PermissionsPolicy, "-"},
		{"Content-Security-Policy", csp, "-"},
		{"Cross-Origin-Opener-Policy", o.OpenerPolicy, "-"},
		{"Cross-Origin-Resource-Policy", o.ResourcePolicy, "-"},
	} {
		value := line.value
		if value == "" {
			value = line.standard
		}
		if value != "-" {
			mustBeFieldValue("SecureHeaders: "+line.name, value)
			lines = append(lines, [2]string{line.name, value})
		}
	}
	return lines
}

func (o *SecureHeadersOptions) hsts() string {
	if o.HSTS == 0 {
		if o.HSTSSubdomains || o.HSTSPreload || o.HSTSAlways {
			panic("middleware: SecureHeaders: HSTSSubdomains, HSTSPreload and HSTSAlways need HSTS")
		}
		return ""
	}
	value := "max-age=" + strconv.FormatInt(int64(max(o.HSTS, 0)/time.Second), 10)
	if o.HSTSSubdomains {
		value += "; includeSubDomains"
	}
	if o.HSTSPreload {
		value += "; preload"
	}
	return value
}
