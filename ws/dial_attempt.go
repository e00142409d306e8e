package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	stdhttp "net/http"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// attempt is one try at one address, from connect(2) to the WebSocket: by way of the
// proxy's answer where there is one, and then of TLS for wss:. Its callbacks run on
// the loop; the goroutine that made it waits in run.
type attempt struct {
	client   *Client
	request  *stdhttp.Request // the opening request
	key      string
	next     []outgoing   // the requests that are to be sent, a proxy's first
	tls      *reactor.TLS // to be begun before the last of them; nil: none
	securing bool         // it has begun, and is not complete
	result   chan error
	tcp      *reactor.TcpClient
	reached  bool // there was a connection, so that no other address is tried
	answer   answer
	refused  *HandshakeError // the answer, whose body is being read
	done     bool
}

// outgoing is a request, encoded.
type outgoing struct {
	method string
	head   []byte
}

var errBeforeAsked = errors.New("ws: handshake: the proxy sent bytes behind its answer")

// newAttempt encodes the requests.
func (c *Client) newAttempt(req *stdhttp.Request, key string, connect *stdhttp.Request) (*attempt, error) {
	a := &attempt{client: c, request: req, key: key, result: make(chan error, 1)}
	if c.target.tls != nil {
		// Its own timeout is there for a loop that is left behind: run's context ends sooner.
		a.tls = &reactor.TLS{Config: c.target.tls, HandshakeTimeout: 2 * c.dial.handshakeWithin, Blocking: true}
	}
	for _, r := range []*stdhttp.Request{connect, req} {
		if r == nil {
			continue
		}
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
		}
		a.next = append(a.next, outgoing{r.Method, b.Bytes()})
	}
	return a, nil
}

// run makes the attempt and waits for its end, or until ctx ends it.
func (a *attempt) run(ctx context.Context, addr reactor.InetAddress, within time.Duration) error {
	loop := a.client.loop.EventLoop
	a.tcp = reactor.NewTcpClient(loop, addr, &reactor.Callbacks{
		Connection: a.connection, Message: a.read,
		HalfClose: func(*reactor.TcpConnection) { a.lost(nil) },
	}, reactor.WithClientName("ws"), reactor.WithoutRetry(), reactor.WithConnectTimeout(within),
		reactor.WithConnectFailed(func(err error, _ time.Duration) { a.finish(err) }))
	if err := a.tcp.Connect(); err != nil {
		return err
	}
	select {
	case err := <-a.result:
		return err
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	// A loop that refuses has quit, and nothing else will come of it.
	if err := loop.QueueInLoop(func() { a.lost(cause) }); err != nil {
		return errors.Join(cause, err)
	}
	return <-a.result // it may have come to a connection meanwhile
}

// connection is the Connection callback.
func (a *attempt) connection(tcp *reactor.TcpConnection) {
	if !tcp.Connected() {
		a.lost(tcp.Err())
		a.client.loop.letGo()
		return
	}
	a.client.loop.hold()
	a.reached = true
	a.proceed(tcp)
}

// proceed begins TLS where its time has come, and then, or else, sends the next
// request.
func (a *attempt) proceed(tcp *reactor.TcpConnection) {
	if a.tls == nil || len(a.next) > 1 {
		a.send(tcp)
		return
	}
	a.securing = true
	err := tcp.StartTLS(a.tls, func(tcp *reactor.TcpConnection) {
		a.securing = false
		if !a.done {
			a.send(tcp)
		}
	})
	if err != nil {
		a.lost(err)
	}
}

// send sends the next request.
func (a *attempt) send(tcp *reactor.TcpConnection) {
	request := a.next[0]
	a.next = a.next[1:]
	a.answer = newAnswer(request.method)
	_ = tcp.Send(request.head) // an error ends the connection
}

// read is the Message callback.
func (a *attempt) read(tcp *reactor.TcpConnection, in *reactor.Buffer) {
	for !a.done && a.answer.resp == nil && in.Len() > 0 {
		n, err := a.answer.head(in.Peek())
		if err != nil {
			a.finish(a.refusal(0, err.Error()))
			break
		}
		if n == 0 {
			return
		}
		in.Retrieve(n)
		if a.answer.resp != nil {
			a.answered(tcp, in)
		}
	}
	switch {
	case a.refused != nil && !a.done:
		n, whole := a.answer.take(in.Peek())
		if in.Retrieve(n); whole {
			a.finishRefused()
		}
	case a.done && tcp.Context() == nil:
		in.RetrieveAll()
	}
}

// answered acts on an answer's head. What lies in behind that of the server is the
// WebSocket's.
func (a *attempt) answered(tcp *reactor.TcpConnection, in *reactor.Buffer) {
	resp := a.answer.resp
	switch proxied := len(a.next) > 0; {
	case proxied && resp.StatusCode/100 == 2:
		if in.Len() > 0 {
			a.finish(errBeforeAsked)
			return
		}
		a.proceed(tcp)
	case proxied || resp.StatusCode != stdhttp.StatusSwitchingProtocols:
		a.refused = a.refusal(resp.StatusCode, "")
	default:
		agreed, wrong := a.client.verify(resp, a.key)
		if wrong != "" {
			a.finish(a.refusal(resp.StatusCode, wrong))
			return
		}
		a.client.keep(resp, a.request.URL)
		a.client.side.open(tcp, agreed)
		a.finish(nil)
	}
}

// refusal is the error of an answer.
func (a *attempt) refusal(status int, reason string) *HandshakeError {
	e := &HandshakeError{Status: status, Reason: reason, Proxy: len(a.next) > 0}
	if resp := a.answer.resp; resp != nil {
		e.Header = resp.Header
	}
	return e
}

// finishRefused finishes a refusal with what has come of its body.
func (a *attempt) finishRefused() {
	a.refused.Body = a.answer.body
	a.finish(a.refused)
}

// lost ends an attempt whose connection, or time, is over. What has come of a refusal
// is worth more than that. err is nil at the end of the stream.
func (a *attempt) lost(err error) {
	switch {
	case a.done:
	case a.refused != nil:
		a.finishRefused()
	case a.securing:
		a.finish(fmt.Errorf("ws: TLS handshake with %s: %w", a.client.target.address(), orEOF(err)))
	default:
		a.finish(fmt.Errorf("ws: handshake: %w", orEOF(err)))
	}
}

func orEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// finish hands the result over, once; after a failure nothing is left of the attempt.
func (a *attempt) finish(err error) {
	if a.done {
		return
	}
	a.done = true
	if err != nil {
		_ = a.tcp.Stop() // refused only by a loop that has quit
	}
	a.result <- err
}
