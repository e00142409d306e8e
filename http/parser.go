package http

// progress is how far the head of a request, or a trailer section, has been read: what a connection remembers between
// two reads, 16 bytes. Everything before pos has been checked and is not looked at again, so a head that comes byte by
// byte costs no more than two passes over it.
//
// The verdict on a head does not depend on how it was cut into reads, because every byte is judged from left to right,
// and a limit before the byte that lies behind it.
type progress struct {
	pos    uint32 // next byte to look at
	mark   uint32 // where the element that pos lies in began
	block  uint32 // where the header lines began
	fields uint16 // header lines that are complete
	phase  phase
}

type phase uint8

const (
	atStart phase = iota
	inMethod
	inTarget
	inVersion
	atLine // where a header line begins, or the empty line that ends the block
	inName
	inValue
)

// parse reads a request head from the beginning of b, which begins with the same bytes as in the call before. It returns
// the length of the head once it is whole, 0 while it is not. h is scratch until then; afterwards it describes b[:n] and
// is sound: framing, target and Host have been checked. An error is an *Error and final.
func (p *progress) parse(b []byte, lim *Limits, h *head) (n int, err error) {
	resumed := p.pos > 0
	h.reset()
	if n, err = p.scan(b, lim, h); n == 0 || err != nil {
		return 0, err
	}
	if resumed { // lines of earlier calls are missing from h, which other connections have used since
		*p = progress{}
		h.reset()
		if _, err = p.scan(b[:n], lim, h); err != nil {
			return 0, err
		}
	}
	*p = progress{}
	if err = h.check(b[:n]); err != nil {
		return 0, err
	}
	return n, nil
}

// scan runs the state machine over b. RFC 9112, sections 2 to 5.
func (p *progress) scan(b []byte, lim *Limits, h *head) (n int, err error) {
	for p.phase < atLine {
		var whole bool
		switch p.phase {
		case atStart:
			whole, err = p.start(b, h)
		case inMethod:
			whole, err = p.method(b, h)
		case inTarget:
			whole, err = p.target(b, lim, h)
		default:
			whole, err = p.version(b, h)
		}
		if !whole || err != nil {
			return 0, err
		}
	}
	return p.lines(b, lim, h)
}

// The parts of the request line. Each returns false while it is not whole.

// start takes the method of nearly all requests, or skips one empty line ahead of the request, which RFC 9112 section 2.2 asks
// for: old clients send one after a body.
func (p *progress) start(b []byte, h *head) (whole bool, err error) {
	const usual = "GET "
	if len(b) >= len(usual) && string(b[:len(usual)]) == usual {
		h.verb, h.method = span{0, uint32(len(usual) - 1)}, "GET"
		p.pos, p.mark, p.phase = uint32(len(usual)), uint32(len(usual)), inTarget
		return true, nil
	}
	if len(b) == 0 {
		return false, nil
	}
	if b[0] == '\r' {
		if len(b) < 2 {
			return false, nil
		}
		if b[1] != '\n' {
			return false, errRequestLine
		}
		p.pos = 2
	}
	p.mark, p.phase = p.pos, inMethod
	return true, nil
}

func (p *progress) method(b []byte, h *head) (whole bool, err error) {
	i := skip(b, int(p.pos), classToken)
	if i-int(p.mark) > maxMethod {
		return false, errMethod
	}
	if i == len(b) {
		p.pos = uint32(i)
		return false, nil
	}
	if b[i] != ' ' || i == int(p.mark) {
		return false, errRequestLine
	}
	h.verb = span{p.mark, uint32(i)}
	p.pos, p.mark, p.phase = uint32(i+1), uint32(i+1), inTarget
	return true, nil
}

func (p *progress) target(b []byte, lim *Limits, h *head) (whole bool, err error) {
	i := skip(b, int(p.pos), classTarget)
	if i-int(p.mark) > lim.MaxURI {
		return false, errURITooLong
	}
	if i == len(b) {
		p.pos = uint32(i)
		return false, nil
	}
	if b[i] != ' ' || i == int(p.mark) {
		return false, errRequestLine
	}
	h.target = span{p.mark, uint32(i)}
	p.pos, p.mark, p.phase = uint32(i+1), uint32(i+1), inVersion
	return true, nil
}

// version wants exactly "HTTP/d.d" and CRLF: nothing after it, and no line feed alone, although RFC 9112 section 2.2
// would let a recipient take one.
func (p *progress) version(b []byte, h *head) (whole bool, err error) {
	const want, usual = "HTTP/0.0\r\n", "HTTP/1.1\r\n"
	b = b[p.mark:]
	if len(b) < len(want) || string(b[:len(want)]) != usual {
		for i := range min(len(b), len(want)) {
			if b[i] != want[i] && (want[i] != '0' || b[i] < '0' || b[i] > '9') {
				return false, errVersion
			}
		}
		if len(b) < len(want) {
			return false, nil
		}
		if b[5] != '1' || b[7] > '1' {
			return false, errHTTPVersion
		}
	}
	h.minor = b[7] - '0'
	p.pos += uint32(len(want))
	p.block, p.phase = p.pos, atLine
	return true, nil
}

// lines reads header lines up to and with the empty line, and returns the offset behind it, 0 while that has not come.
// It serves trailer sections as well, which have the same grammar.
func (p *progress) lines(b []byte, lim *Limits, h *head) (int, error) {
	i, last := int(p.pos), int(p.block)+lim.MaxHeader
	for i < len(b) {
		switch p.phase {
		case atLine:
			if i > last {
				return 0, errHeaderBig
			}
			if b[i] == '\r' {
				if i+1 == len(b) {
					p.pos = uint32(i)
					return 0, nil
				}
				if b[i+1] != '\n' {
					return 0, errHeaderLine
				}
				return i + 2, nil
			}
			if int(p.fields) == lim.MaxFields {
				return 0, errHeaderMany
			}
			p.mark, p.phase = uint32(i), inName
		case inName:
			// An empty name is also what obs-fold looks like from here: a line that begins with a blank.
			i = skip(b, i, classToken)
			if i > last {
				return 0, errHeaderBig
			}
			if i == len(b) {
				break
			}
			if b[i] != ':' || i == int(p.mark) {
				return 0, errHeaderLine
			}
			h.name = span{p.mark, uint32(i)}
			i++
			p.mark, p.phase = uint32(i), inValue
		case inValue:
			i = skipText(b, i)
			if i > last {
				return 0, errHeaderBig
			}
			if i == len(b) {
				break
			}
			if b[i] != '\r' {
				return 0, errHeaderLine
			}
			if i+1 == len(b) {
				p.pos = uint32(i)
				return 0, nil
			}
			if b[i+1] != '\n' {
				return 0, errHeaderLine
			}
			off, end := trim(b, int(p.mark), i)
			h.add(b, field{h.name, span{uint32(off), uint32(end)}})
			i += 2
			p.fields++
			p.phase = atLine
		}
	}
	p.pos = uint32(i)
	return 0, nil
}
