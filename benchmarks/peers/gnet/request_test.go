package main

import "testing"

func TestParse(t *testing.T) {
	const whole = "POST /echo HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\nConnection: close\r\n\r\nhello"
	for i := range len(whole) {
		if _, n := parse([]byte(whole[:i])); n != 0 {
			t.Fatalf("the first %d bytes are taken for a request of %d", i, n)
		}
	}
	r, n := parse([]byte(whole + "GET"))
	if n != len(whole) || string(r.method) != "POST" || string(r.path) != "/echo" || string(r.body) != "hello" || !r.close {
		t.Errorf("%d bytes: %q %q %q, close %v", n, r.method, r.path, r.body, r.close)
	}
	for _, bad := range []string{"GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		if _, n := parse([]byte(bad)); n >= 0 {
			t.Errorf("%q is taken for a request of %d bytes", bad, n)
		}
	}
}
