package ws

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// leadsBack reports whether a connection that ended so is followed by another: see
// WithReconnect.
func (c Code) leadsBack() bool {
	switch c {
	case CodeGoingAway, CodeAbnormal, CodeInternalError, CodeServiceRestart, CodeTryAgainLater, CodeBadGateway:
		return true
	}
	return false
}

// worthRetry reports whether an attempt that failed so may end otherwise later.
func worthRetry(err error) bool {
	var refused *HandshakeError
	if errors.As(err, &refused) {
		return refused.temporary()
	}
	for _, final := range []error{ErrBadURL, ErrBadRequest, ErrProxy, reactor.ErrLoopClosed} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// connectAgain makes another connection, however long that takes, or ends the client.
func (c *Client) connectAgain() {
	err := c.connect(c.ctx, c.delays.Next())
	if err == nil {
		return
	}
	if c.ctx.Err() != nil {
		err = ErrClosed
	}
	c.ended(err)
}

// connect makes attempts, the first after wait, until there is a connection, ctx ends
// or another would be pointless.
func (c *Client) connect(ctx context.Context, wait time.Duration) error {
	var failed error
	for {
		if err := pause(ctx, wait); err != nil {
			if failed != nil {
				err = fmt.Errorf("%w; before that: %w", err, failed)
			}
			return err
		}
		if failed = c.connectOnce(ctx); failed == nil || ctx.Err() != nil {
			return failed
		}
		again := c.dial.reconnect && worthRetry(failed)
		if wait = 0; again {
			wait = c.delays.Next()
		}
		if c.dial.failed != nil {
			c.dial.failed(failed, wait)
		}
		if !again {
			return failed
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// connectOnce makes one attempt, at each address of the host until one takes a connection.
func (c *Client) connectOnce(ctx context.Context) error {
	late := fmt.Errorf("ws: no WebSocket within %v: %w", c.dial.handshakeWithin, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, c.dial.handshakeWithin, late)
	defer cancel()
	req, key, err := c.request(ctx)
	if err != nil {
		return err
	}
	r, err := c.route(req)
	if err != nil {
		return err
	}
	addrs, err := c.addresses(ctx, r)
	if err != nil {
		return err
	}
	var errs []error
	for i, addr := range addrs {
		a, err := c.newAttempt(req, key, r.connect)
		if err != nil {
			return err
		}
		if err = a.run(ctx, addr, share(ctx, len(addrs)-i)); err == nil {
			c.closeIfLate()
			return nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil || a.reached {
			break
		}
	}
	return errors.Join(errs...)
}

// closeIfLate closes a connection that came about while Close was called.
func (c *Client) closeIfLate() {
	c.mu.Lock()
	conn, goodbye := c.conn, c.goodbye
	c.mu.Unlock()
	if goodbye != nil && conn != nil {
		_ = conn.Close(goodbye.Code, goodbye.Reason) // ErrClosed: Close found it
	}
}

// share is how long one of n addresses may take to accept a connection, so that the
// last of them has its time as well, as net.Dialer does it.
func share(ctx context.Context, n int) time.Duration {
	deadline, _ := ctx.Deadline() // there is always one
	left := time.Until(deadline)
	return max(left/time.Duration(n), min(left, 2*time.Second))
}

// addresses looks the host up. The errors are those of the resolver.
func (c *Client) addresses(ctx context.Context, r route) ([]reactor.InetAddress, error) {
	if c.dial.unix.IsValid() {
		return []reactor.InetAddress{c.dial.unix}, nil
	}
	ips := make([]netip.Addr, 1)
	var err error
	if ips[0], err = netip.ParseAddr(r.host); err != nil {
		if ips, err = c.dial.lookup(ctx, "ip", r.host); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
			}
			return nil, fmt.Errorf("ws: dial %s: %w", r.host, err)
		}
	}
	addrs := make([]reactor.InetAddress, len(ips))
	for i, ip := range ips {
		addrs[i] = reactor.InetAddressFrom(netip.AddrPortFrom(ip, r.port))
	}
	return addrs, nil
}
