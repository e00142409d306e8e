package growth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/carillon-go/carillon/http"
)

const (
	connections  = 64
	leastAnswers = 12_000 // in a sample
	parameter    = "4711" // in each request
)

// Routes measures a request for one of so many routes with a parameter, by 64
// connections that each send so many requests at once, wait for the answers and go
// on. The requests go through the routes in an order drawn by lot, so that a
// processor's caches know a route no better than its neighbours.
func Routes(ctx context.Context, sizes []int, rounds, pipelined int) (curve Curve, err error) {
	servers, err := newHosts(sizes, func(x int) (*routes, error) { return newRoutes(x, pipelined, numbered) })
	if err != nil {
		return Curve{}, err
	}
	defer func() { err = errors.Join(err, servers.close()) }()
	points, err := interleave(ctx, sizes, rounds, func(_ context.Context, x int) (float64, error) { return servers[x].sample() })
	return Curve{Operation: fmt.Sprintf("a request, %d at once", pipelined), Beside: "routes", Points: points}, err
}

// routes is a server with so many of them and its clients.
type routes struct {
	*host
	pipelined int
	requests  []byte // for all routes
	request   int    // bytes of one
	numbers   []int  // the routes that they are for
	next      int    // in numbers
	answer    []byte // for route 0; the others differ in their last digits
	buf       []byte
}

func newRoutes(n, pipelined int, handler func(route int) http.Handler) (*routes, error) {
	if pipelined < 1 || n > 99999 {
		return nil, fmt.Errorf("growth: %d requests at once for %d routes: want at least 1, and at most 99,999", pipelined, n)
	}
	h, err := newHost(func(app *http.App) {
		for i := range n {
			app.Get(fmt.Sprintf("/api/r%05d/{id}", i), handler(i), http.Inline)
		}
	})
	if err != nil {
		return nil, err
	}
	r := &routes{host: h, pipelined: pipelined, numbers: rand.New(rand.NewPCG(1, uint64(n))).Perm(n)}
	for len(r.numbers) < connections*pipelined || len(r.numbers)%pipelined != 0 {
		r.numbers = append(r.numbers, r.numbers[:n]...)
	}
	for _, i := range r.numbers {
		r.requests = append(r.requests, request(i)...)
	}
	r.request = len(request(0))
	for range connections {
		if _, err := h.dial(); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	if err := r.learn(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return r, nil
}

func request(route int) string {
	return fmt.Sprintf("GET /api/r%05d/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", route, parameter)
}

// numbered is the handler that answers the number of the route.
func numbered(route int) http.Handler {
	number := fmt.Appendf(nil, "%05d", route)
	return func(c *http.Ctx) error {
		if string(c.PeekParam("id")) != parameter {
			return c.NoContent(400)
		}
		return c.Blob(200, "text/plain", number)
	}
}

// learn finds out what an answer looks like.
func (r *routes) learn() error {
	c := r.conns[0]
	head, err := c.ask(request(0))
	if err != nil {
		return err
	}
	body := make([]byte, 5)
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	if r.answer = append(head, body...); !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || string(body) != "00000" {
		return fmt.Errorf("growth: the answer to %q is %q", request(0), r.answer)
	}
	r.buf = make([]byte, len(r.answer)*r.pipelined)
	return nil
}

// sample is the CPU time of a request.
func (r *routes) sample() (float64, error) {
	began, err := r.spent()
	if err != nil {
		return 0, err
	}
	answers := 0
	for answers < leastAnswers {
		if err := r.batch(); err != nil {
			return 0, err
		}
		answers += connections * r.pipelined
	}
	ended, err := r.spent()
	return float64(ended-began) / float64(answers), err
}

// batch has every connection ask, and then looks at all answers.
func (r *routes) batch() error {
	first := r.next
	for _, c := range r.clients() {
		from := r.next * r.request
		if _, err := c.Write(r.requests[from : from+r.pipelined*r.request]); err != nil {
			return err
		}
		r.next = (r.next + r.pipelined) % len(r.numbers)
	}
	for _, c := range r.clients() {
		if _, err := io.ReadFull(c, r.buf); err != nil {
			return err
		}
		for i := range r.pipelined {
			if err := r.check(r.buf[i*len(r.answer):][:len(r.answer)], r.numbers[(first+i)%len(r.numbers)]); err != nil {
				return err
			}
		}
		first += r.pipelined
	}
	return nil
}

// clients are the connections but the first, which told of the loop.
func (r *routes) clients() []*conn { return r.conns[1:] }

// check compares the last line, and where the head ends.
func (r *routes) check(answer []byte, route int) error {
	if want := fmt.Sprintf("\r\n\r\n%05d", route); !bytes.HasSuffix(answer, []byte(want)) {
		return fmt.Errorf("growth: the answer for route %d is %q", route, answer)
	}
	return nil
}
