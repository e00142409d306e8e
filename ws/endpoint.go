package ws

import (
	"errors"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// Endpoint makes an http.Handler that answers the opening handshake (RFC 6455
// section 4.2) and serves h from then on. What is no good handshake gets an
// HTTP error: 405 for other methods, 426 for requests without Upgrade and for
// versions other than 13, 403 for origins that are not allowed, 400 for the
// rest. Extensions are declined, but for permessage-deflate with WithDeflate.
func Endpoint(h Handler, opts ...EndpointOption) http.Handler {
	if h == nil {
		panic("ws: Endpoint without a Handler")
	}
	c := defaults()
	for _, opt := range opts {
		opt.applyToEndpoint(&c)
	}
	s := newSide(c, 0, h)
	return s.serve
}

// serve is the http.Handler of an Endpoint.
func (s *side) serve(ctx *http.Ctx) error {
	var hs handshake
	for name, value := range ctx.Headers() {
		hs.add(name, value)
	}
	r := hs.verify(ctx.Method(), ctx.Proto())
	if r == nil && !hs.originAllowed(ctx.Host(), s.origins) {
		r = refuseOrigin
	}
	if r != nil {
		s.stats.Refused.Add(1)
		return r.answer(ctx)
	}
	a := terms{subprotocol: hs.subprotocol(s.subprotocols)}
	if s.accept != nil {
		var err error
		if a.value, err = s.accept(ctx); err != nil {
			s.stats.Refused.Add(1)
			return err
		}
	}
	return s.agree(ctx, &hs, a)
}

// agree answers a good handshake.
func (s *side) agree(ctx *http.Ctx, hs *handshake, a terms) error {
	header := [][2]string{
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Accept", acceptKey(hs.key)},
	}
	if a.subprotocol != "" {
		header = append(header, [2]string{"Sec-WebSocket-Protocol", a.subprotocol})
	}
	if s.deflate != nil {
		params, response, ok := s.deflate.accept(hs.extensions)
		if ok {
			a.deflate = &params
			header = append(header, [2]string{"Sec-WebSocket-Extensions", response})
		}
	}
	if err := setHeaders(ctx, header); err != nil {
		return err
	}
	if err := ctx.NoContent(101); err != nil {
		return err
	}
	return ctx.Upgrade(func(tcp *reactor.TcpConnection) { s.open(tcp, a) })
}

func (r *refusal) answer(ctx *http.Ctx) error {
	if err := setHeaders(ctx, r.header); err != nil {
		return err
	}
	return ctx.Text(r.status, r.reason+"\n")
}

func setHeaders(ctx *http.Ctx, header [][2]string) error {
	var errs error
	for _, h := range header {
		errs = errors.Join(errs, ctx.SetHeader(h[0], h[1]))
	}
	return errs
}
