package proxy

import (
	"net"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// An idle connection that breaks off in the same iteration of the loop in which a request comes is not used for that: a POST would
// be answered by 502, though it was never sent.
func TestClosingConnectionIsNotTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Stop()
	up, err := parseTarget("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o := &pool{p: &proxy{keepAlive: time.Minute, maxIdle: 2}, loop: loop, idle: make(map[*upstream][]*link)}
	taken := make(chan [3]*link, 1)
	var good *link
	add := func(tcp *reactor.TcpConnection) {
		if !tcp.Connected() {
			return
		}
		l := &link{pool: o, up: up, tcp: tcp}
		if o.put(l); good == nil {
			good = l
			return
		}
		tcp.ForceClose()
		taken <- [3]*link{o.take(up), o.take(up), good}
	}
	for range 2 {
		if err := reactor.NewTcpClient(loop, up.addr, &reactor.Callbacks{Connection: add}).Connect(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case l := <-taken:
		if l[0] != l[2] || l[1] != nil {
			t.Errorf("took %p and %p of %p alone", l[0], l[1], l[2])
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no connections")
	}
}
