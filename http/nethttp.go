package http

import (
	"errors"
	"io"
	nethttp "net/http"
	"time"
)

// ServeHTTP makes an App a handler of net/http: it runs there as it does on the reactor, but that net/http has the
// connection. So the timeouts and limits on heads are net/http's, Ctx.Loop is nil, and there is no Ctx.Upgrade.
func (a *App) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	a.prepare()
	x := newExchange(&a.Server, nil)
	x.over = make(chan struct{})
	c := new(Ctx)
	c.base = r.Context()
	defer func() {
		c.x = nil
		c.end(ErrHandlerReturned)
	}()
	x.bind(c, false)
	err := x.importRequest(&netCarrier{w: w, r: r}, r)
	if err == nil {
		x.setRoute(a.find(x))
		err = x.importBody(w, r)
	} else {
		x.setRoute(&unrouted)
	}
	if e, ok := errors.AsType[*Error](err); ok && x.route.refuse != nil {
		x.refused, err = e, nil
		x.body.set(nil)
	}
	if err != nil {
		x.conclude(c, err)
	} else {
		x.handle()
	}
	if a := x.async; a != nil {
		c.x = nil
		a.park()
		select {
		case <-x.over:
		case <-r.Context().Done():
			if a.claim(true) {
				a.giveUp()
			}
			<-x.over
		}
		if x.torn {
			panic(abortHandler)
		}
	}
	_ = x.deliver(nil)
	if x.refused == nil && x.route.stream && r.Body != nil && !x.hijacked {
		skipImported(w, r.Body)
	}
}

// skipImported reads what a handler has left of a body, up to drainBound. net/http would do so as well, but in full duplex it
// reads the next request at the same time when it finds the end of the body there, and panics. Where there is more, reading
// is made to fail, so that net/http closes the connection.
func skipImported(w nethttp.ResponseWriter, body io.Reader) {
	if _, err := io.CopyN(io.Discard, body, drainBound+1); err == nil {
		_ = nethttp.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	}
}
