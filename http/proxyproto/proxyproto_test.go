package proxyproto_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	pp "github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/proxyproto"
	"github.com/carillon-go/carillon/reactor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sig = "\r\n\r\n\x00\r\nQUIT\n"

// v2 is a header of version 2 as the library writes it.
func v2(t testing.TB, client, local string) string {
	t.Helper()
	h := pp.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local)))
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, header, client, local string
		bad                         bool
	}{
		{"v1 IPv4", "PROXY TCP4 192.0.2.1 198.51.100.1 1000 80\r\n", "192.0.2.1:1000", "198.51.100.1:80", false},
		{"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\n", "[2001:db8::1]:1000", "[2001:db8::2]:80", false},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "", "", false},
		{"v1 unknown with addresses", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", "", false},
		{"v1 longest", "PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "", "", false},
		{"v1 too long", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "", "", true},
		{"v1 without end", "PROXY TCP4 " + strings.Repeat("1", 200), "", "", true},
		{"v1 no address", "PROXY TCP4 here there 1 2\r\n", "", "", true},
		{"v1 family that differs", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "", "", true},
		{"v1 port", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n", "", "", true},
		{"v1 too few", "PROXY TCP4 192.0.2.1\r\n", "", "", true},
		{"v1 small letters", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "", "", true},
		{"v2 IPv4", v2(t, "192.0.2.1:1000", "198.51.100.1:80"), "192.0.2.1:1000", "198.51.100.1:80", false},
		{"v2 IPv6", v2(t, "[2001:db8::1]:1000", "[2001:db8::2]:80"), "[2001:db8::1]:1000", "[2001:db8::2]:80", false},
		{"v2 local", sig + "\x20\x00\x00\x00", "", "", false},
		{"v2 local with addresses", sig + "\x20\x11\x00\x0c" + strings.Repeat("\x01", 12), "", "", false},
		{"v2 too short for its family", sig + "\x21\x11\x00\x04" + strings.Repeat("\x01", 4), "", "", true},
		{"v2 of version 3", sig + "\x31\x11\x00\x0c" + strings.Repeat("\x01", 12), "", "", true},
		{"v2 too long", sig + "\x21\x11\xff\xff", "", "", true},
		{"HTTP", "GET / HTTP/1.1\r\n", "", "", true},
		{"TLS", "\x16\x03\x01", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, client, local, err := proxyproto.Read([]byte(tt.header + "GET "))
			if tt.bad {
				if !errors.Is(err, proxyproto.ErrNoHeader) {
					t.Errorf("taken for %v", client)
				}
				return
			}
			if err != nil || n != len(tt.header) {
				t.Fatalf("%d bytes of %d, %v", n, len(tt.header), err)
			}
			if got := client.IsValid(); got != (tt.client != "") || got && client.String() != tt.client {
				t.Errorf("client %v, want %s", client, tt.client)
			}
			if local.IsValid() && local.String() != tt.local {
				t.Errorf("local %v, want %s", local, tt.local)
			}
			for i := range tt.header {
				if n, _, _, err := proxyproto.Read([]byte(tt.header[:i])); n != 0 || err != nil {
					t.Fatalf("%d bytes: %d, %v", i, n, err)
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.1 1000 80\r\nGET"))
	f.Add([]byte(v2(f, "192.0.2.1:1000", "198.51.100.1:80")))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, client, _, err := proxyproto.Read(b)
		if n < 0 || n > len(b) || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		if n > 0 {
			if again, same, _, err := proxyproto.Read(b[:n]); again != n || same != client || err != nil {
				t.Fatalf("%d, %v, %v", again, same, err)
			}
			for i := range n {
				if early, _, _, err := proxyproto.Read(b[:i]); early != 0 || err != nil {
					t.Fatalf("cut at %d: %d, %v", i, early, err)
				}
			}
		}
	})
}

const patience = 20 * time.Second

func TestAccept(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil) // has a certificate for 127.0.0.1
	certified.StartTLS()
	defer certified.Close()
	trusting := certified.Client().Transport.(*nethttp.Transport).TLSClientConfig.Clone()
	trusting.ServerName = "127.0.0.1"
	const header = "PROXY TCP4 192.0.2.1 198.51.100.1 1000 80\r\n"
	for _, tt := range []struct {
		name, trusted, sends, want, overTLS string
	}{
		{"trusted", "127.0.0.0/8", header, "192.0.2.1:1000 198.51.100.1:80", "192.0.2.1:1000 198.51.100.1:80"},
		{"trusted, version 2", "127.0.0.0/8", v2(t, "[2001:db8::1]:1000", "[2001:db8::2]:443"), "[2001:db8::1]:1000 [2001:db8::2]:443", "[2001:db8::1]:1000 [2001:db8::2]:443"},
		{"trusted, unknown", "127.0.0.0/8", "PROXY UNKNOWN\r\n", "itself", "itself"},
		{"trusted, not whole", "127.0.0.0/8", "PROXY TCP4 192.0.2.1 ", "closed", "closed"},
		{"not trusted", "10.0.0.0/8", header, "400", "closed"},
		{"not trusted, no header", "10.0.0.0/8", "", "itself", "itself"},
		{"trusted, no header", "127.0.0.0/8", "", "closed", "closed"},
	} {
		for over, want := range map[string]string{"plain": tt.want, "TLS": tt.overTLS} {
			t.Run(tt.name+", "+over, func(t *testing.T) {
				s := &http.Server{Handler: func(c *http.Ctx) error {
					return c.Text(200, c.RemoteAddr().String()+" "+c.LocalAddr().String())
				}}
				s.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
				s.TLS = &reactor.TLS{Config: &tls.Config{Certificates: certified.TLS.Certificates}}
				listen := s.Listen
				if over == "TLS" {
					listen = s.ListenTLS
				}
				addr, err := listen("127.0.0.1:0", proxyproto.Accept(netip.MustParsePrefix(tt.trusted)))
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
				defer s.Shutdown(context.Background())
				c, err := net.Dial("tcp", addr.String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				half := len(tt.sends) / 2
				fmt.Fprint(c, tt.sends[:half])
				fmt.Fprint(c, tt.sends[half:])
				within := c
				if over == "TLS" {
					within = tls.Client(c, trusting)
				}
				fmt.Fprint(within, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				got := "closed"
				if res, err := nethttp.ReadResponse(bufio.NewReader(within), nil); err == nil {
					body, _ := io.ReadAll(res.Body)
					got = string(body)
					if res.StatusCode != 200 {
						got = fmt.Sprint(res.StatusCode)
					}
				}
				if want == "itself" {
					want = c.LocalAddr().String() + " " + c.RemoteAddr().String()
				}
				if got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}
