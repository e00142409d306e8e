package ws

import (
	"errors"
	stdhttp "net/http"

	"github.com/carillon-go/carillon/http"
)

const (
	// maxAnswerHead bounds the header lines of the answer to an opening handshake, in
	// bytes, and as much again for the informational answers before it.
	maxAnswerHead = 16 << 10
	// maxAnswerBody is how much of a refusal's body is kept, in bytes.
	maxAnswerBody = 4 << 10
)

var errAnswerTooLong = errors.New("the informational answers are longer than 16 KiB")

// answer gathers a server's, or a proxy's, answer to a request from a stream that
// comes in pieces of any size. The verdict does not depend on their sizes.
type answer struct {
	parser *http.ResponseParser
	before int               // bytes of informational answers
	resp   *stdhttp.Response // nil: the head has not ended
	body   []byte            // what is kept of it
}

// newAnswer is for the answer to a request of that method.
func newAnswer(method string) answer {
	p := http.NewResponseParser(http.Limits{MaxHeader: maxAnswerHead})
	p.Begin(method)
	return answer{parser: p}
}

// head looks for the head that p, all that has come since the last, begins with. n is
// its length; 0 says that more bytes are needed. Informational answers (RFC 9110
// section 15.2) other than 101 are passed over: then there is an n and no a.resp.
func (a *answer) head(p []byte) (n int, err error) {
	if n, err = a.parser.Head(p); n == 0 || err != nil {
		return 0, err
	}
	status := a.parser.Status()
	if status < 200 && status != stdhttp.StatusSwitchingProtocols {
		if a.before += n; a.before > maxAnswerHead {
			return 0, errAnswerTooLong
		}
		return n, nil
	}
	a.resp = &stdhttp.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: int(p[len("HTTP/1.")] - '0'), Header: stdhttp.Header{}}
	for name, value := range a.parser.Fields() {
		a.resp.Header.Add(string(name), string(value))
	}
	return n, nil
}

// take takes what p, which comes behind what was taken before, holds of the body, and
// says whether that is all that is going to be kept. An end that is torn off, or
// malformed, is one as well: the body only says why there is no WebSocket.
func (a *answer) take(p []byte) (n int, whole bool) {
	data, n, err := a.parser.Body(p)
	a.body = append(a.body, data[:min(len(data), maxAnswerBody-len(a.body))]...)
	return n, err != nil || a.parser.Done() || len(a.body) == maxAnswerBody
}
