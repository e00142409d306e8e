package main

import (
	"net"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/cmd/httpd/internal/secure"
)

// openTLS makes the server ready for TLS, where the settings have certificates.
func (d *daemon) openTLS() (err error) {
	if !d.config.HasCertificates() {
		return nil
	}
	d.secure, err = secure.Open(d.config, d.listeners.State(), ownNames(d.config), d.access.logger)
	if err != nil {
		return d.source.Locate(err)
	}
	d.server.TLS = d.secure.Server()
	return nil
}

// startTLS comes behind the listeners.
func (d *daemon) startTLS() {
	if d.secure == nil {
		return
	}
	d.secure.Start(d.server.TLS)
}

// ownNames are what clients may call this server: hosts of listeners and sites, and its address in the network.
func ownNames(c *config.Config) (names []string) {
	for _, addr := range c.Listen {
		rest, _ := config.SplitAddr(addr)
		if host, _, err := net.SplitHostPort(rest); err == nil && host != "" {
			names = append(names, host)
		}
	}
	for i := range c.Sites {
		names = append(names, c.Sites[i].Hosts...)
	}
	if lan := lanAddress(); lan.IsValid() {
		names = append(names, lan.String())
	}
	return names
}

// redirectPort is where HTTPS is as clients see it, once the listeners are open.
func (d *daemon) redirectPort(c *config.Config) func() int {
	outside := int(c.HTTPSPort)
	return func() int {
		switch {
		case outside > 0:
			return outside
		case d.port > 0:
			return d.port
		}
		return 443 // of the proxy in front
	}
}

// handedOn is what the process that takes over needs to go on where this one ends.
func (d *daemon) handedOn() []byte {
	if d.secure == nil {
		return nil
	}
	return d.secure.State()
}
