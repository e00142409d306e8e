package http

import "strings"

// get wraps header lines into a request that is sound but for them.
func get(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func post(lines, body string) string {
	return "POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n" + body
}

func chunkedPost(body string) string { return post("Transfer-Encoding: chunked", body) }

// hosted wraps header lines into a request without a Host of its own.
func hosted(lines ...string) string {
	return "GET / HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// refusedInputs are the golden cases that must not become a request.
var refusedInputs = []struct {
	name   string
	in     string
	code   int
	limits Limits
}{
	// RFC 9112 section 6.3: which of the two is believed is how requests are smuggled.
	{name: "Content-Length then Transfer-Encoding", in: post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding then Content-Length", in: post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding identity and Content-Length", in: post("Transfer-Encoding: identity\r\nContent-Length: 2", "ok"), code: 400},

	// RFC 9110 section 8.6: Content-Length = 1*DIGIT.
	{name: "Content-Lengths that differ", in: post("Content-Length: 2\r\nContent-Length: 3", "okk"), code: 400},
	{name: "Content-Length twice", in: post("Content-Length: 2\r\nContent-Length: 2", "ok"), code: 400},
	{name: "Content-Length list", in: post("Content-Length: 2, 2", "ok"), code: 400},
	{name: "Content-Length +2", in: post("Content-Length: +2", "ok"), code: 400},
	{name: "Content-Length -1", in: post("Content-Length: -1", "ok"), code: 400},
	{name: "Content-Length 0x2", in: post("Content-Length: 0x2", "ok"), code: 400},
	{name: "Content-Length empty", in: post("Content-Length:", "ok"), code: 400},
	{name: "Content-Length blank", in: post("Content-Length: \t ", "ok"), code: 400},
	{name: "Content-Length 2 2", in: post("Content-Length: 2 2", "ok"), code: 400},
	{name: "Content-Length 2;", in: post("Content-Length: 2;", "ok"), code: 400},
	{name: "Content-Length of other digits", in: post("Content-Length: \u0662", "ok"), code: 400},
	{name: "Content-Length int64 and one", in: post("Content-Length: 9223372036854775808", ""), code: 400},
	{name: "Content-Length uint64 wrapped", in: post("Content-Length: 18446744073709551618", "ok"), code: 400},
	{name: "Content-Length of 200 digits", in: post("Content-Length: 1"+strings.Repeat("0", 200), ""), code: 400},

	// RFC 9112 section 6.1.
	{name: "Transfer-Encoding twice", in: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding twice, second unknown", in: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding xchunked", in: post("Transfer-Encoding: xchunked", "0\r\n\r\n"), code: 501},
	{name: "Transfer-Encoding identity", in: post("Transfer-Encoding: identity", ""), code: 501},
	{name: "Transfer-Encoding gzip, chunked", in: post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), code: 501},
	{name: "Transfer-Encoding gzip;q=1", in: post("Transfer-Encoding: gzip;q=1", ""), code: 501},
	{name: "Transfer-Encoding chunked, chunked", in: post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding chunked, gzip", in: post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding chunked with parameter", in: post("Transfer-Encoding: chunked;a=b", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding chunked with comma", in: post("Transfer-Encoding: chunked,", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding comma chunked", in: post("Transfer-Encoding: ,chunked", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding empty", in: post("Transfer-Encoding:", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding quoted", in: post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding with vertical tab", in: post("Transfer-Encoding: \vchunked", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding with NUL", in: post("Transfer-Encoding: \x00chunked", "0\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding in HTTP/1.0", in: "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", code: 400},

	// RFC 9112 section 5.
	{name: "blank before the colon", in: get("X : y"), code: 400},
	{name: "tab before the colon", in: get("X\t: y"), code: 400},
	{name: "blank before the colon of Content-Length", in: post("Content-Length : 2", "ok"), code: 400},
	{name: "empty field name", in: get(": y"), code: 400},
	{name: "line without a colon", in: get("nonsense"), code: 400},
	{name: "obs-fold", in: get("X: a", " b"), code: 400},
	{name: "obs-fold with a tab", in: get("X: a", "\tb"), code: 400},
	{name: "obs-fold ahead of the first field", in: "GET / HTTP/1.1\r\n Host: h\r\n\r\n", code: 400},
	{name: "NUL in a value", in: get("X: a\x00b"), code: 400},
	{name: "CR in a value", in: get("X: a\rb"), code: 400},
	{name: "LF in a value", in: get("X: a\nY: b"), code: 400},
	{name: "DEL in a value", in: get("X: a\x7fb"), code: 400},
	{name: "CR CR LF", in: get("X: a\r"), code: 400},
	{name: "line ended by LF", in: "GET / HTTP/1.1\nHost: h\n\n", code: 400},
	{name: "block ended by LF", in: "GET / HTTP/1.1\r\nHost: h\r\n\nGET /x HTTP/1.1\r\n", code: 400},
	{name: "block ended by CR and something", in: "GET / HTTP/1.1\r\nHost: h\r\n\rX", code: 400},
	{name: "byte over 0x7F in a name", in: get("X\xe4: y"), code: 400},
	{name: "bracket in a name", in: get("X[]: y"), code: 400},

	// RFC 9112 section 7.1.
	{name: "chunk size 0x2", in: chunkedPost("0x2\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size +2", in: chunkedPost("+2\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size -1", in: chunkedPost("-1\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size empty", in: chunkedPost("\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size empty with extension", in: chunkedPost(";x\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size of 17 digits", in: chunkedPost("00000000000000002\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size of 16 digits that is huge", in: chunkedPost("ffffffffffffffff\r\nok"), code: 413},
	{name: "chunk size with the sign bit", in: chunkedPost("8000000000000002\r\nok"), code: 413},
	{name: "chunk size ended by LF", in: chunkedPost("2\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size ended by CR", in: chunkedPost("2\rok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size with leading blank", in: chunkedPost(" 2\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk size with trailing blank", in: chunkedPost("2 \r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "blanks before the extension", in: chunkedPost("2 ;a\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk extension ended by LF", in: chunkedPost("2;a\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk extension with NUL", in: chunkedPost("2;a\x00\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "huge chunk extension", in: chunkedPost("2;" + strings.Repeat("a", maxChunkExt+1) + "\r\nok\r\n0\r\n\r\n"), code: 400},
	{name: "chunk extensions huge together", in: chunkedPost(strings.Repeat("1;"+strings.Repeat("a", 99)+"\r\nx\r\n", 11) + "0\r\n\r\n"), code: 400},
	{name: "chunk data too long", in: chunkedPost("2\r\nokk\r\n0\r\n\r\n"), code: 400},
	{name: "chunk data without CRLF", in: chunkedPost("2\r\nok0\r\n\r\n"), code: 400},
	{name: "chunk data with LF", in: chunkedPost("2\r\nok\n0\r\n\r\n"), code: 400},
	{name: "chunk data with CR only", in: chunkedPost("2\r\nok\r0\r\n\r\n"), code: 400},
	{name: "chunked body over the limit", in: chunkedPost("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), code: 413, limits: Limits{MaxBody: 10}},

	// RFC 9110 section 6.5.1.
	{name: "Content-Length in trailers", in: chunkedPost("0\r\nContent-Length: 3\r\n\r\n"), code: 400},
	{name: "Transfer-Encoding in trailers", in: chunkedPost("0\r\ntransfer-encoding: chunked\r\n\r\n"), code: 400},
	{name: "Host in trailers", in: chunkedPost("0\r\nHost: evil\r\n\r\n"), code: 400},
	{name: "bad trailer name", in: chunkedPost("0\r\nX Y: 1\r\n\r\n"), code: 400},
	{name: "trailer without a name", in: chunkedPost("0\r\n: 1\r\n\r\n"), code: 400},
	{name: "obs-fold in trailers", in: chunkedPost("0\r\nX: 1\r\n 2\r\n\r\n"), code: 400},
	{name: "trailer ended by LF", in: chunkedPost("0\r\nX: 1\n\r\n"), code: 400},
	{name: "trailers over the limit", in: chunkedPost("0\r\nX: " + strings.Repeat("a", 200) + "\r\n\r\n"), code: 431, limits: Limits{MaxHeader: 100}},
	{name: "too many trailers", in: chunkedPost("0\r\n" + strings.Repeat("X: 1\r\n", 101) + "\r\n"), code: 431},

	// RFC 9112 section 3.2.
	{name: "no Host in 1.1", in: hosted("X: y"), code: 400},
	{name: "two Hosts", in: hosted("Host: a", "Host: a"), code: 400},
	{name: "two Hosts in 1.0", in: "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", code: 400},
	{name: "Host empty", in: hosted("Host:"), code: 400},
	{name: "Host with @", in: hosted("Host: user@h"), code: 400},
	{name: "Host with a blank", in: hosted("Host: a b"), code: 400},
	{name: "Host with a comma and blank", in: hosted("Host: a, b"), code: 400},
	{name: "Host with /", in: hosted("Host: h/evil"), code: 400},
	{name: "Host with ?", in: hosted("Host: h?x"), code: 400},
	{name: "Host with #", in: hosted("Host: h#x"), code: 400},
	{name: "Host with backslash", in: hosted("Host: h\\x"), code: 400},
	{name: "Host with percent", in: hosted("Host: h%41"), code: 400},
	{name: "Host with byte over 0x7F", in: hosted("Host: h\xe4"), code: 400},
	{name: "Host is a port", in: hosted("Host: :80"), code: 400},
	{name: "Host with two ports", in: hosted("Host: h:80:81"), code: 400},
	{name: "Host with port 65536", in: hosted("Host: h:65536"), code: 400},
	{name: "Host with port x", in: hosted("Host: h:x"), code: 400},
	{name: "Host with port -1", in: hosted("Host: h:-1"), code: 400},
	{name: "Host IPv6 open", in: hosted("Host: [::1"), code: 400},
	{name: "Host IPv6 without brackets", in: hosted("Host: ::1"), code: 400},
	{name: "Host IPv6 broken", in: hosted("Host: [::1::2]"), code: 400},
	{name: "Host IPv6 empty", in: hosted("Host: []"), code: 400},
	{name: "Host IPv4 in brackets", in: hosted("Host: [127.0.0.1]"), code: 400},
	{name: "Host IPv6 zone", in: hosted("Host: [fe80::1%25eth0]"), code: 400},
	{name: "Host IPv6 with something behind", in: hosted("Host: [::1]x"), code: 400},
	{name: "Host IPv6 with two ports", in: hosted("Host: [::1]:80:81"), code: 400},
	{name: "absolute-form disagrees with Host", in: "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", code: 400},
	{name: "absolute-form disagrees in its port", in: "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", code: 400},
	{name: "absolute-form with user", in: "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", code: 400},
	{name: "absolute-form without Host", in: "GET http://a/ HTTP/1.1\r\n\r\n", code: 400},
	{name: "absolute-form with an empty host", in: "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", code: 400},
	{name: "absolute-form of another scheme", in: "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", code: 400},
	{name: "absolute-form of one slash", in: "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", code: 400},
	{name: "path without a slash", in: "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", code: 400},
	{name: "authority-form", in: "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", code: 400},
	{name: "CONNECT", in: "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", code: 501},

	// RFC 9112 section 2.3.
	{name: "HTTP/2.0", in: "GET / HTTP/2.0\r\nHost: h\r\n\r\n", code: 505},
	{name: "HTTP/1.2", in: "GET / HTTP/1.2\r\nHost: h\r\n\r\n", code: 505},
	{name: "HTTP/0.9", in: "GET / HTTP/0.9\r\nHost: h\r\n\r\n", code: 505},
	{name: "HTTP/01.1", in: "GET / HTTP/01.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "HTTP/1.10", in: "GET / HTTP/1.10\r\nHost: h\r\n\r\n", code: 400},
	{name: "HTTP/1", in: "GET / HTTP/1\r\nHost: h\r\n\r\n", code: 400},
	{name: "http/1.1 in small letters", in: "GET / http/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "blank behind the version", in: "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", code: 400},
	{name: "HTTP/0.9 simple request", in: "GET /\r\n", code: 400},
	{name: "h2 preface", in: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", code: 505},
	{name: "TLS hello", in: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", code: 400},

	// RFC 9112 section 3.
	{name: "two blanks before the target", in: "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "two blanks behind the target", in: "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "tab in the request line", in: "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "tab behind the target", in: "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "blank before the method", in: " GET / HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "blank in the target", in: "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "method that is no token", in: "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "control byte in the method", in: "GE\x01T / HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "control byte in the target", in: "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "NUL in the target", in: "GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "DEL in the target", in: "GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "%zz in the target", in: "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "% at the end of the target", in: "GET /% HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "%4 at the end of the path", in: "GET /%4?a HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "%zz in the query", in: "GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "%00 in the target", in: "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "# in the target", in: "GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "GET *", in: "GET * HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "empty lines for ever", in: "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "line feed ahead", in: "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", code: 400},
	{name: "unknown method", in: "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", code: 501},
	{name: "method in small letters", in: "get / HTTP/1.1\r\nHost: h\r\n\r\n", code: 501},
	{name: "endless method", in: strings.Repeat("A", 100), code: 501},

	// Limits.
	{name: "URI over the limit", in: "GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", code: 414},
	{name: "URI over the limit and never ended", in: "GET /" + strings.Repeat("a", 9<<10), code: 414},
	{name: "URI over a small limit", in: "GET /123456789a HTTP/1.1\r\nHost: h\r\n\r\n", code: 414, limits: Limits{MaxURI: 10}},
	{name: "bad byte behind the limit of the URI", in: "GET /123456789\x01 HTTP/1.1\r\nHost: h\r\n\r\n", code: 400, limits: Limits{MaxURI: 10}},
	{name: "bad byte beyond the limit of the URI", in: "GET /123456789a\x01 HTTP/1.1\r\nHost: h\r\n\r\n", code: 414, limits: Limits{MaxURI: 10}},
	{name: "header value over the limit", in: get("X: " + strings.Repeat("a", 16<<10)), code: 431},
	{name: "header name over the limit", in: get(strings.Repeat("a", 17<<10) + ": b"), code: 431},
	{name: "header block over the limit", in: get(strings.Repeat("X: "+strings.Repeat("a", 300)+"\r\n", 60) + "Y: b"), code: 431},
	{name: "101 fields", in: hosted("Host: h" + strings.Repeat("\r\nX: y", 100)), code: 431},
	{name: "Content-Length over the limit", in: post("Content-Length: 4194305", ""), code: 413},
	{name: "Content-Length int64", in: post("Content-Length: 9223372036854775807", ""), code: 413},
	{name: "any body where none is allowed", in: post("Content-Length: 1", "x"), code: 413, limits: Limits{MaxBody: -1}},

	// RFC 9110 section 10.1.1.
	{name: "Expect other than 100-continue", in: post("Expect: 200-ok\r\nContent-Length: 2", "ok"), code: 417},
	{name: "Expect of two", in: post("Expect: 100-continue, x\r\nContent-Length: 2", "ok"), code: 417},
	{name: "Expect twice", in: post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2", "ok"), code: 417},
}

var acceptedInputs = []struct {
	name   string
	in     string
	want   []seen
	limits Limits
}{
	{name: "three pipelined", in: goodRequest + goodRequest + goodRequest, want: []seen{goodSeen, goodSeen, goodSeen}},
	{name: "RFC 9112 2.2 one empty line ahead", in: "\r\n" + goodRequest + "\r\n" + goodRequest, want: []seen{goodSeen, goodSeen}},
	{name: "white space around values", in: "GET / HTTP/1.1\r\nHost:h\r\nA:  \t x \ty\t \r\nB:\r\nC: \xe4\xff\r\n\r\n",
		want: []seen{{Method: "GET", Path: "/", Host: "h", Fields: []string{"Host: h", "A: x \ty", "B: ", "C: \xe4\xff"}}}},
	{name: "percent-decoded once", in: "GET /%2e%2e/%252e/a%2Fb%C3%A4+c?q=%41 HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []seen{{Method: "GET", Path: "/../%2e/a/bä+c", Query: "q=%41", Host: "h", Fields: []string{"Host: h"}}}},
	{name: "raw UTF-8 and what browsers send", in: "GET /\xc3\xa4|\"<>?{}|^` HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []seen{{Method: "GET", Path: "/ä|\"<>", Query: "{}|^`", Host: "h", Fields: []string{"Host: h"}}}},
	{name: "two slashes ahead", in: "GET //evil/x HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []seen{{Method: "GET", Path: "//evil/x", Host: "h", Fields: []string{"Host: h"}}}},
	{name: "RFC 9112 3.2.2 absolute-form", in: "GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n",
		want: []seen{{Method: "GET", Path: "/x", Query: "y", Host: "A.example:80", Fields: []string{"Host: a.example"}}}},
	{name: "absolute-form without a path", in: "GET HTTPS://a?y HTTP/1.1\r\nHost: a:443\r\n\r\n",
		want: []seen{{Method: "GET", Path: "", Query: "y", Host: "a", Fields: []string{"Host: a:443"}}}},
	{name: "absolute-form in 1.0", in: "GET http://a/ HTTP/1.0\r\n\r\n", want: []seen{{Method: "GET", Path: "/", Host: "a", Close: true}}},
	{name: "RFC 9112 3.2.4 asterisk-form", in: "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []seen{{Method: "OPTIONS", Path: "*", Host: "h", Fields: []string{"Host: h"}}}},
	{name: "Host IPv6", in: hosted("Host: [::ffff:1.2.3.4]:8080"),
		want: []seen{{Method: "GET", Path: "/", Host: "[::ffff:1.2.3.4]:8080", Fields: []string{"Host: [::ffff:1.2.3.4]:8080"}}}},
	{name: "Host with an empty port", in: hosted("hOsT: a_b.example:"),
		want: []seen{{Method: "GET", Path: "/", Host: "a_b.example:", Fields: []string{"hOsT: a_b.example:"}}}},
	{name: "HTTP/1.0 without Host", in: "GET / HTTP/1.0\r\n\r\n", want: []seen{{Method: "GET", Path: "/", Close: true}}},
	{name: "HTTP/1.0 keep-alive", in: "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n",
		want: []seen{{Method: "GET", Path: "/", Fields: []string{"Connection: x, Keep-Alive"}}}},
	{name: "Connection close among tokens", in: get("Connection: keep-alive", "connection: foo ,CLOSE"),
		want: []seen{{Method: "GET", Path: "/", Host: "h", Close: true, Fields: []string{"Host: h", "Connection: keep-alive", "connection: foo ,CLOSE"}}}},
	{name: "Content-Length with zeros", in: post("Content-Length: 0002", "ok") + goodRequest,
		want: []seen{{Method: "POST", Path: "/", Host: "h", Body: "ok", Fields: []string{"Host: h", "Content-Length: 0002"}}, goodSeen}},
	{name: "Content-Length 0", in: post("Content-Length: 0", "") + goodRequest,
		want: []seen{{Method: "POST", Path: "/", Host: "h", Fields: []string{"Host: h", "Content-Length: 0"}}, goodSeen}},
	{name: "chunked", in: chunkedPost("2\r\nok\r\n00b;a=\"b\"\r\n, and\r\nmore\r\n0;z\r\n\r\n") + goodRequest,
		want: []seen{{Method: "POST", Path: "/", Host: "h", Body: "ok, and\r\nmore", Fields: []string{"Host: h", "Transfer-Encoding: chunked"}}, goodSeen}},
	{name: "chunked, upper case, empty", in: post("TRANSFER-ENCODING: Chunked", "000\r\n\r\n") + goodRequest,
		want: []seen{{Method: "POST", Path: "/", Host: "h", Fields: []string{"Host: h", "TRANSFER-ENCODING: Chunked"}}, goodSeen}},
	{name: "chunked with trailers", in: chunkedPost("A\r\n0123456789\r\n0\r\nX-Sum:  1 \r\nY:\r\n\r\n") + goodRequest,
		want: []seen{{Method: "POST", Path: "/", Host: "h", Body: "0123456789", Trailer: []string{"X-Sum: 1", "Y: "},
			Fields: []string{"Host: h", "Transfer-Encoding: chunked"}}, goodSeen}},
	{name: "chunked at the limit", in: chunkedPost("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"), limits: Limits{MaxBody: 10},
		want: []seen{{Method: "POST", Path: "/", Host: "h", Body: "helloworld", Fields: []string{"Host: h", "Transfer-Encoding: chunked"}}}},
	{name: "Expect in 1.0 is ignored", in: "POST / HTTP/1.0\r\nExpect: nonsense\r\nContent-Length: 2\r\n\r\nok",
		want: []seen{{Method: "POST", Path: "/", Body: "ok", Close: true, Fields: []string{"Expect: nonsense", "Content-Length: 2"}}}},
	{name: "URI at the limit", in: "GET /123456789 HTTP/1.1\r\nHost: h\r\n\r\n", limits: Limits{MaxURI: 10},
		want: []seen{{Method: "GET", Path: "/123456789", Host: "h", Fields: []string{"Host: h"}}}},
	{name: "fields at the limit", in: hosted("Host: h", "X: y"), limits: Limits{MaxFields: 2},
		want: []seen{{Method: "GET", Path: "/", Host: "h", Fields: []string{"Host: h", "X: y"}}}},
	{name: "header block at the limit", in: hosted("Host: h", "X: "+strings.Repeat("a", 20)), limits: Limits{MaxHeader: 34},
		want: []seen{{Method: "GET", Path: "/", Host: "h", Fields: []string{"Host: h", "X: " + strings.Repeat("a", 20)}}}},
}
