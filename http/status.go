package http

import "strconv"

var reasons = map[int]string{
	100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content", 205: "Reset Content",
	206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 305: "Use Proxy",
	307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
	421: "Misdirected Request", 422: "Unprocessable Content", 423: "Locked", 424: "Failed Dependency", 425: "Too Early",
	426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
	451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates", 507: "Insufficient Storage",
	508: "Loop Detected", 511: "Network Authentication Required",
}

// StatusText returns the reason phrase of a registered status code, "" for another.
func StatusText(code int) string { return reasons[code] }

// statusLines holds the whole status line of each code that can be sent, indexed from 100.
var statusLines = func() (t [500]string) {
	for i := range t {
		code := i + 100
		t[i] = "HTTP/1.1 " + strconv.Itoa(code) + " " + reasons[code] + "\r\n"
	}
	return t
}()

// bodyless says whether an answer of that code never has a body, RFC 9110 sections 15.2, 15.3.5 and 15.4.5.
func bodyless(code int) bool { return code < 200 || code == 204 || code == 304 }

// resetContent is the code whose answer says that its body is empty, and has none: RFC 9110 section 15.3.6.
const resetContent = 205
