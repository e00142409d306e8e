package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	stdhttp "net/http"
	"net/http/httputil"
)

const (
	// maxAnswerHead bounds the head of the answer to an opening handshake, in bytes,
	// those of informational answers before it included.
	maxAnswerHead = 16 << 10
	// maxAnswerBody is how much of a refusal's body is kept, in bytes.
	maxAnswerBody = 4 << 10
	// maxAnswerRaw is how much of the stream is waited for that for: chunks have
	// more than their data.
	maxAnswerRaw = 2 * maxAnswerBody
)

var (
	errAnswerTooLong = errors.New("the head of the answer is longer than 16 KiB")
	errNotHTTP       = errors.New("the answer is not HTTP/1.1")
	errAnswerName    = errors.New("a header name in the answer is no token")
	errAnswerBytes   = errors.New("a control byte, or a line without CRLF, in the head of the answer")
)

// answer gathers a server's, or a proxy's, answer to a request from a stream that
// comes in pieces of any size. The verdict does not depend on their sizes.
type answer struct {
	scanned int               // bytes of the head that have no end in them
	before  int               // bytes of informational answers
	resp    *stdhttp.Response // nil: the head has not ended
}

// head looks for the head that p, all that has come since the last, begins with. n is
// its length; 0 says that more bytes are needed. Informational answers (RFC 9110
// section 15.2) other than 101 are passed over: then there is an n and no a.resp.
func (a *answer) head(p []byte) (n int, err error) {
	if !isPrefix(p, "HTTP/1.") {
		return 0, errNotHTTP
	}
	n, a.scanned = headEnd(p, a.scanned)
	if a.before+max(n, a.scanned) > maxAnswerHead {
		return 0, errAnswerTooLong
	}
	if n == 0 {
		return 0, nil
	}
	if !cleanHead(p[:n]) {
		return 0, errAnswerBytes
	}
	resp, err := stdhttp.ReadResponse(bufio.NewReader(bytes.NewReader(p[:n])), nil)
	if err != nil {
		return 0, err
	}
	for name := range resp.Header {
		if !isToken(name) { // net/http lets blanks pass
			return 0, errAnswerName
		}
	}
	if !resp.ProtoAtLeast(1, 1) || resp.ProtoMajor != 1 {
		return 0, errNotHTTP
	}
	a.scanned = 0
	if resp.StatusCode < 200 && resp.StatusCode != stdhttp.StatusSwitchingProtocols {
		a.before += n
		return n, nil
	}
	a.resp = resp
	return n, nil
}

// isPrefix reports whether p begins like s.
func isPrefix(p []byte, s string) bool {
	n := min(len(p), len(s))
	return string(p[:n]) == s[:n]
}

// headEnd returns the length of the head that p begins with: that of all up to an
// empty line, whatever ends lines. It is 0 without one; then scanned is how much
// need not be looked at again.
func headEnd(p []byte, from int) (n, scanned int) {
	for i := from; ; {
		lf := bytes.IndexByte(p[i:], '\n')
		if lf < 0 {
			return 0, len(p)
		}
		i += lf
		switch rest := p[i+1:]; {
		case len(rest) == 0 || string(rest) == "\r":
			return 0, i // undecided
		case rest[0] == '\n':
			return i + 2, 0
		case rest[0] == '\r' && rest[1] == '\n':
			return i + 3, 0
		}
		i++
	}
}

// cleanHead reports whether all lines end by CRLF and hold no other control byte but
// tabs. None may be folded (RFC 9112 section 5.2).
func cleanHead(head []byte) bool {
	for i, c := range head {
		switch {
		case c == '\r' && head[min(i+1, len(head)-1)] == '\n':
		case c == '\n' && i > 0 && head[i-1] == '\r':
			if i+1 < len(head) && (head[i+1] == ' ' || head[i+1] == '\t') {
				return false
			}
		case c < ' ' && c != '\t' || c == 0x7f:
			return false
		}
	}
	return true
}

// body returns what p, all that has come behind the head, holds of the body, at most
// maxAnswerBody, and whether that is all that is going to be kept.
func (a *answer) body(p []byte) (body []byte, whole bool) {
	switch n := a.resp.ContentLength; {
	case n >= 0:
		n = min(n, maxAnswerBody)
		return bytes.Clone(p[:min(n, int64(len(p)))]), int64(len(p)) >= n
	case len(a.resp.TransferEncoding) == 0: // up to the end of the stream
		return bytes.Clone(p[:min(len(p), maxAnswerBody)]), len(p) >= maxAnswerBody
	}
	chunks := httputil.NewChunkedReader(bytes.NewReader(p))
	body, err := io.ReadAll(io.LimitReader(chunks, maxAnswerBody))
	return body, len(p) >= maxAnswerRaw || !errors.Is(err, io.ErrUnexpectedEOF)
}
