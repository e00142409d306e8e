package ws

import (
	"context"
	"errors"
	"net"
	stdhttp "net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDialCancelled ends ctx, and the handshake timeout, in each phase.
func TestDialCancelled(t *testing.T) {
	reached := make(chan struct{}, 10)
	stuck := func(f func(*peer)) string {
		return script(t, func(p *peer) {
			f(p)
			reached <- struct{}{}
			p.waitEOF()
		})
	}
	hangs := dialOption(func(c *dialConfig) {
		c.lookup = (&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			reached <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}}).LookupNetIP
	})
	silent := stuck(func(*peer) {})
	for _, c := range []struct {
		name, url string
		opts      []DialOption
	}{
		{"looking the name up", "ws://hangs.example/", []DialOption{WithProxy(nil), hangs}},
		{"connecting", "ws://" + fullListener(t), []DialOption{WithProxy(func(*stdhttp.Request) (*url.URL, error) {
			reached <- struct{}{}
			return nil, nil
		})}},
		{"asking a proxy", "ws://example.com/", []DialOption{WithProxy(stdhttp.ProxyURL(proxy(t, func(p *peer) bool {
			reached <- struct{}{}
			p.waitEOF()
			return false
		})))}},
		{"awaiting the answer", "ws://" + silent, nil},
		{"inside the answer", "ws://" + stuck(func(p *peer) { p.send(p.good("")[:30]) }), nil},
		{"preparing the request", "ws://" + silent, []DialOption{WithRequest(func(r *stdhttp.Request) error {
			reached <- struct{}{}
			<-r.Context().Done()
			return context.Cause(r.Context())
		})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			result := make(chan error, 1)
			go func() {
				_, err := Dial(ctx, c.url, NopHandler{}, c.opts...)
				result <- err
			}()
			wait(t, "the phase", reached)
			cancel(cause)
			if err := wait(t, "end of Dial", result); !errors.Is(err, cause) {
				t.Error(err)
			}
			err := refusedBy(t, c.url, append(c.opts, WithHandshakeTimeout(20*time.Millisecond))...)
			if c.name != "connecting" && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			for len(reached) > 0 {
				<-reached
			}
		})
	}
}

// fullListener is an address that neither accepts nor refuses: its backlog is full.
func fullListener(t *testing.T) (addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(sa.(*unix.SockaddrInet4).Port))
	for range 100 {
		conn, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the backlog takes everybody")
	return ""
}

// TestRefusalInTime: a refusal whose body never ends is one all the same.
func TestRefusalInTime(t *testing.T) {
	addr := script(t, func(p *peer) {
		p.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nso far")
		p.waitEOF()
	})
	var refused *HandshakeError
	within := 50 * time.Millisecond
	err := refusedBy(t, "ws://"+addr, WithHandshakeTimeout(within))
	for !errors.As(err, &refused) && within < patience { // the machine is busy: not even the head came
		within *= 2
		err = refusedBy(t, "ws://"+addr, WithHandshakeTimeout(within))
	}
	if refused == nil || refused.Status != 403 || string(refused.Body) != "so far" {
		t.Error(err)
	}
}
