package ws

import (
	"encoding/base64"
	"fmt"
	stdhttp "net/http"
	"net/url"
)

// route is where an attempt connects, and how it goes on from there.
type route struct {
	host    string
	port    uint16
	connect *stdhttp.Request // to a proxy, first; nil: none
}

// route asks for the proxy of a request. The errors are the chooser's and ErrProxy.
func (c *Client) route(req *stdhttp.Request) (route, error) {
	direct := route{host: c.target.host, port: c.target.port}
	if c.dial.proxy == nil || c.dial.unix.IsValid() {
		return direct, nil
	}
	proxy, err := c.dial.proxy(req)
	switch {
	case err != nil:
		return route{}, fmt.Errorf("%w: %w", ErrProxy, err)
	case proxy == nil:
		return direct, nil
	case proxy.Scheme != "http" || proxy.Hostname() == "":
		return route{}, fmt.Errorf("%w: %q", ErrProxy, proxy.Redacted())
	}
	port, err := portOf(proxy)
	if err != nil {
		return route{}, fmt.Errorf("%w: %q", ErrProxy, proxy.Redacted())
	}
	return route{proxy.Hostname(), port, connectRequest(c.target.address(), proxy.User)}, nil
}

// connectRequest asks a proxy for a tunnel to address (RFC 9110 section 9.3.6).
func connectRequest(address string, user *url.Userinfo) *stdhttp.Request {
	req := &stdhttp.Request{
		Method: stdhttp.MethodConnect, URL: &url.URL{Opaque: address}, Host: address,
		Header: stdhttp.Header{"User-Agent": {""}},
	}
	if user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	return req
}
