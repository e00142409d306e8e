package static

import (
	"encoding/json"
	"strconv"
	"time"
)

// A listing in JSON (RFC 8259) is one object, streamed:
//
//	{
//	  "path": "/music/",          // of the folder beneath the root
//	  "truncated": false,         // true: there are names that were not read
//	  "entries": [
//	    {
//	      "name": "a b.mp3",      // bytes that are no UTF-8 are U+FFFD
//	      "type": "file",         // or "folder"
//	      "href": "a%20b.mp3",    // exact, relative to the folder; ends in "/" for a folder
//	      "size": 4096,           // bytes; files only
//	      "modified": "2026-01-02T03:04:05Z" // RFC 3339, in UTC
//	    }
//	  ]
//	}
//
// Its order is that of the page: folders first, then as "sort" and "order" say.

func appendJSONHead(p []byte, name string, more bool) []byte {
	path := "/"
	if name != "" {
		path += name + "/"
	}
	p = appendJSONString(append(p, `{"path":`...), path)
	p = strconv.AppendBool(append(p, `,"truncated":`...), more)
	return append(p, `,"entries":[`...)
}

func appendJSONEntry(p []byte, e *entry, name string, first bool) []byte {
	if !first {
		p = append(p, ',')
	}
	p = appendJSONString(append(p, "\n{\"name\":"...), name)
	if e.folder {
		p = append(p, `,"type":"folder","href":"`...)
		p = append(appendEscaped(p, name, ""), `/"`...)
	} else {
		p = append(p, `,"type":"file","href":"`...)
		p = append(appendEscaped(p, name, ""), `","size":`...)
		p = strconv.AppendInt(p, e.size, 10)
	}
	p = append(p, `,"modified":"`...)
	p = timeOf(e).AppendFormat(p, "2006-01-02T15:04:05Z")
	return append(p, `"}`...)
}

const jsonTail = "\n]}\n"

// timeOf is when an entry was changed, in a year that can be written with four
// digits: what file systems hold may be beyond.
func timeOf(e *entry) time.Time {
	const from, to = -62135596800, 253402300799 // the years 1 to 9999
	return time.Unix(min(max(e.mtime, from), to), 0).UTC()
}

// appendJSONString writes s as a string. Names that need no escaping, which
// nearly all are, are written as they stand.
func appendJSONString(p []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, _ := json.Marshal(s) // of a string: it cannot fail
			return append(p, b...)
		}
	}
	return append(append(append(p, '"'), s...), '"')
}
