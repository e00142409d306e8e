package http

// methodOf returns the name of a method that the IANA registry knows, as a constant, so that handing it to a handler
// allocates nothing; "" when the server does not know it (501, RFC 9110 section 9.1). CONNECT is not among them: its
// target is an authority to tunnel to, and this is no proxy.
func methodOf(b []byte) string {
	switch string(b) { // the compiler compares without a copy
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	case "PATCH":
		return "PATCH"
	case "TRACE":
		return "TRACE"
	case "QUERY":
		return "QUERY"
	}
	return extensionMethod(b)
}

// extensionMethod knows the methods of WebDAV (RFC 4918, 3253, 3648, 3744, 5323, 5842, 4791) and the older registered ones.
func extensionMethod(b []byte) string {
	for _, m := range [...]string{
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "REPORT", "ACL", "BASELINE-CONTROL",
		"BIND", "UNBIND", "REBIND", "CHECKIN", "CHECKOUT", "UNCHECKOUT", "LABEL", "LINK", "UNLINK", "MERGE", "MKACTIVITY",
		"MKCALENDAR", "MKREDIRECTREF", "MKWORKSPACE", "ORDERPATCH", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
	} {
		if string(b) == m {
			return m
		}
	}
	return ""
}

// maxMethod is longer than any method we know. RFC 9112 section 3: a longer one is answered by 501.
const maxMethod = 32
