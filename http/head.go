package http

// span is a part of the bytes of a head, as offsets from its first byte. Because it holds no pointer, a head may be
// copied or its buffer moved without touching its spans.
type span struct{ off, end uint32 }

func (s span) of(raw []byte) []byte { return raw[s.off:s.end:s.end] }

func (s span) empty() bool { return s.off == s.end }

// field is one header line: a name, and a value without the white space around it.
type field struct{ name, value span }

// head is a parsed request head. It is filled by parser.parse and owned by a loop, which reuses it for one request after
// the other; all of its spans are relative to the raw bytes that were parsed, so whoever keeps it keeps a copy of those.
type head struct {
	headState
	fields   []field
	goodHost []byte // was found valid before: most requests to a server name the same
}

// headState is what of a head belongs to one request alone, but for fields.
type headState struct {
	method   string // interned; "" when unknown
	verb     span
	target   span
	path     span  // of the target, still encoded; empty in an absolute target without a path: then it is "/"
	query    span  // of the target, without its "?"
	host     span  // host and port: of an absolute target, else of the Host header
	name     span  // of the line that is being read
	length   int64 // of Content-Length; 0 without
	minor    uint8
	form     targetForm
	escaped  bool // path holds percent-encoding
	hasQuery bool
	chunked  bool
	close    bool                // the connection ends after this request's answer: a token said so, or HTTP/1.0 without keep-alive
	expect   bool                // 100-continue
	known    [knownFields]uint16 // how often each has occurred
	knownAt  [knownFields]uint16 // where in fields it occurred last
}

// The fields that the server itself has to understand.
const (
	knownHost = iota
	knownExpect
	knownConnection
	knownLength
	knownCoding
	knownFields
)

func (h *head) reset() {
	h.headState, h.fields = headState{}, h.fields[:0]
}

// add records a header line and counts it when it is one of the known.
func (h *head) add(raw []byte, f field) {
	h.fields = append(h.fields, f)
	name, k := f.name.of(raw), -1
	switch len(name) {
	case len("host"):
		if equalFold(name, "host") {
			k = knownHost
		}
	case len("expect"):
		if equalFold(name, "expect") {
			k = knownExpect
		}
	case len("connection"):
		if equalFold(name, "connection") {
			k = knownConnection
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			k = knownLength
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			k = knownCoding
		}
	}
	if k >= 0 {
		h.known[k]++
		h.knownAt[k] = uint16(len(h.fields) - 1)
	}
}

// last returns the value of the last line of a known field, nil when there is none.
func (h *head) last(raw []byte, k int) []byte {
	if h.known[k] == 0 {
		return nil
	}
	return h.fields[h.knownAt[k]].value.of(raw)
}

// get returns the value of the first line of that name, nil when there is none.
func (h *head) get(raw []byte, name string) []byte { return lookup(h.fields, raw, name) }

func lookup(fields []field, raw []byte, name string) []byte {
	for i := range fields {
		if n := fields[i].name; int(n.end-n.off) == len(name) && sameName(n.of(raw), name) {
			return fields[i].value.of(raw)
		}
	}
	return nil
}
