package reactor_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// bareClient is a client of TLS 1.3 whose records the test makes and reads itself,
// once crypto/tls has done the handshake: for what crypto/tls never sends.
type bareClient struct {
	tb      testing.TB
	conn    net.Conn
	suite   func() hash.Hash
	keySize int
	out, in trafficKey
}

// trafficKey is one direction's (RFC 8446 section 7.3).
type trafficKey struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	count  uint64
}

// Types of records and messages.
const (
	alertRecord     = 21
	handshakeRecord = 22
	dataRecord      = 23
	keyUpdate       = 24
)

// secretLog is a tls.Config's KeyLogWriter that keeps the secrets by their labels.
type secretLog struct {
	mu      sync.Mutex
	secrets map[string][]byte
}

func (l *secretLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if words := strings.Fields(string(p)); len(words) == 3 {
		secret, err := hex.DecodeString(words[2])
		if err != nil {
			return 0, err
		}
		l.secrets[words[0]] = secret
	}
	return len(p), nil
}

// dialBare connects and does the handshake. What the server may send before it is
// asked is only what this leaves unread: session tickets are switched off.
func dialBare(tb testing.TB, addr reactor.InetAddress) *bareClient {
	tb.Helper()
	log := &secretLog{secrets: make(map[string][]byte)}
	config := clientConfig()
	config.KeyLogWriter, config.MinVersion = log, tls.VersionTLS13
	b := &bareClient{tb: tb, conn: dialPlain(tb, addr)}
	over := tls.Client(b.conn, config)
	must(tb, over.Handshake())
	switch suite := over.ConnectionState().CipherSuite; suite {
	case tls.TLS_AES_128_GCM_SHA256:
		b.suite, b.keySize = sha256.New, 16
	case tls.TLS_AES_256_GCM_SHA384:
		b.suite, b.keySize = sha512.New384, 32
	default:
		tb.Skipf("this machine chose %s", tls.CipherSuiteName(suite))
	}
	b.out = b.key(log.secrets["CLIENT_TRAFFIC_SECRET_0"])
	b.in = b.key(log.secrets["SERVER_TRAFFIC_SECRET_0"])
	return b
}

func (b *bareClient) key(secret []byte) trafficKey {
	block, err := aes.NewCipher(b.expand(secret, "key", b.keySize))
	must(b.tb, err)
	aead, err := cipher.NewGCM(block)
	must(b.tb, err)
	return trafficKey{secret: secret, aead: aead, iv: b.expand(secret, "iv", 12)}
}

// next is the key after a KeyUpdate.
func (b *bareClient) next(k trafficKey) trafficKey {
	return b.key(b.expand(k.secret, "traffic upd", len(k.secret)))
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
func (b *bareClient) expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	info = append(append(info, label...), 0)
	p, err := hkdf.Expand(b.suite, secret, string(info), n)
	must(b.tb, err)
	return p
}

func (k *trafficKey) nonce() []byte {
	nonce := append([]byte(nil), k.iv...)
	for i := range 8 {
		nonce[4+i] ^= byte(k.count >> (56 - 8*i))
	}
	k.count++
	return nonce
}

// record seals a record.
func (b *bareClient) record(kind byte, content []byte) []byte {
	header := []byte{dataRecord, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(content)+1+b.out.aead.Overhead()))
	return b.out.aead.Seal(header, b.out.nonce(), append(append([]byte(nil), content...), kind), header)
}

// update makes a KeyUpdate, behind which the client has a new key.
func (b *bareClient) update(requested byte) []byte {
	p := b.record(handshakeRecord, []byte{keyUpdate, 0, 0, 1, requested})
	b.out = b.next(b.out)
	return p
}

func (b *bareClient) write(p []byte) {
	b.tb.Helper()
	_, err := b.conn.Write(p)
	must(b.tb, err)
}

// read opens the next record.
func (b *bareClient) read() (kind byte, content []byte, err error) {
	header := make([]byte, 5)
	if _, err := io.ReadFull(b.conn, header); err != nil {
		return 0, nil, err
	}
	p := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(b.conn, p); err != nil {
		return 0, nil, err
	}
	if p, err = b.in.aead.Open(p[:0], b.in.nonce(), p, header); err != nil {
		return 0, nil, err
	}
	if len(p) == 0 {
		return 0, nil, errors.New("a record without a type")
	}
	return p[len(p)-1], p[:len(p)-1], nil
}

// expect reads up to the data that is wanted, and follows the server's keys.
func (b *bareClient) expect(want string) (updates int) {
	b.tb.Helper()
	var got []byte
	for len(got) < len(want) {
		kind, content, err := b.read()
		must(b.tb, err)
		switch kind {
		case dataRecord:
			got = append(got, content...)
		case handshakeRecord:
			if string(content) != "\x18\x00\x00\x01\x00" {
				b.tb.Fatalf("handshake message %x", content)
			}
			b.in = b.next(b.in)
			updates++
		default:
			b.tb.Fatalf("record of type %d: %x", kind, content)
		}
	}
	if string(got) != want {
		b.tb.Fatalf("got %q, want %q", got, want)
	}
	return updates
}

// expectAlert reads up to the alert that ends the connection.
func (b *bareClient) expectAlert(want byte) {
	b.tb.Helper()
	for {
		kind, content, err := b.read()
		if err != nil {
			b.tb.Fatalf("no alert: %v", err)
		}
		if kind == alertRecord {
			if len(content) != 2 || content[1] != want {
				b.tb.Errorf("alert %d, want %d", content, want)
			}
			return
		}
		if kind == handshakeRecord {
			b.in = b.next(b.in)
		}
	}
}

// bareServer is an echo for a bareClient.
func bareServer(tb testing.TB, cb *reactor.Callbacks, opts ...reactor.ServerOption) *testServer {
	over := serverTLS()
	over.Config.SessionTicketsDisabled = true
	return serve(tb, onTCP4, cb, append(opts, reactor.WithTLS(over))...)
}

// TestTLSKeyUpdate: a client may change its key, and ask the server to change its
// own, between any two bytes; also when the update is split over two records, and
// comes in pieces.
func TestTLSKeyUpdate(t *testing.T) {
	server := bareServer(t, &reactor.Callbacks{Message: echo})
	b := dialBare(t, server.Addr())
	for round := range 40 {
		requested := byte(round % 2)
		b.write(append(b.update(requested), b.record(dataRecord, []byte("hello"))...))
		if n := b.expect("hello"); n != int(requested) {
			t.Errorf("round %d: the server changed its key %d times", round, n)
		}
	}
	b.write(b.record(handshakeRecord, []byte{keyUpdate, 0}))
	turn(t, server.loop)
	for _, c := range b.record(handshakeRecord, []byte{0, 1, 0}) {
		b.write([]byte{c})
	}
	b.out = b.next(b.out)
	b.write(b.record(dataRecord, []byte("hello")))
	b.expect("hello")
}

// TestTLSRecordsRefused: what follows a handshake and is wrong ends the connection
// with the alert that the RFC has for it, and an error.
func TestTLSRecordsRefused(t *testing.T) {
	many := func(record func(*bareClient) []byte) func(*bareClient) []byte {
		return func(b *bareClient) (all []byte) {
			for range 40 {
				all = append(all, record(b)...)
			}
			return all
		}
	}
	for name, tc := range map[string]struct {
		sent  func(b *bareClient) []byte
		alert byte
	}{
		"RFC 8446 5.1: a record of a length that is too large": {
			func(*bareClient) []byte { return []byte{dataRecord, 3, 3, 0x48, 1} }, 22},
		"RFC 8446 5.4: a plaintext that is too large": {
			func(b *bareClient) []byte { return b.record(dataRecord, make([]byte, 16<<10+1)) }, 22},
		"RFC 8446 5.2: a record that was tampered with": {
			func(b *bareClient) []byte { p := b.record(dataRecord, []byte("x")); p[7] ^= 1; return p }, 20},
		"garbage": {
			func(*bareClient) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }, 70},
		"RFC 8446 5: a type that nobody knows": {
			func(b *bareClient) []byte { return b.record(99, []byte("x")) }, 10},
		"RFC 8446 4.6.3: a KeyUpdate of 2": {
			func(b *bareClient) []byte { return b.update(2) }, 50},
		"RFC 8446 4.1.2: a ClientHello after the handshake": {
			func(b *bareClient) []byte { return b.record(handshakeRecord, []byte{1, 0, 0, 0}) }, 50},
		"a flood of KeyUpdates":    {many(func(b *bareClient) []byte { return b.update(0) }), 10},
		"a flood of empty records": {many(func(b *bareClient) []byte { return b.record(dataRecord, nil) }), 10},
		"RFC 8446 6: an alert of no known kind": {
			func(b *bareClient) []byte { return b.record(alertRecord, []byte{2, 0, 0}) }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			life := newEnds()
			server := bareServer(t, &reactor.Callbacks{Connection: life.connection, Message: echo})
			b := dialBare(t, server.Addr())
			b.write(b.record(dataRecord, []byte("hello")))
			b.expect("hello")
			b.write(tc.sent(b))
			b.expectAlert(tc.alert)
			if err := receive(t, life.down, "the end"); err == nil {
				t.Error("ended without an error")
			}
		})
	}
}

// TestTLSKeyUpdateFlood: a peer that asks for key updates, each behind a byte of data
// so that they do not count as a flood, and reads nothing, does not fill the
// memory: also where output above the high-water mark does not pause reading.
func TestTLSKeyUpdateFlood(t *testing.T) {
	const hard = 64 << 10
	for name, pause := range map[string]bool{"pausing": true, "not pausing": false} {
		t.Run(name, func(t *testing.T) {
			life := newEnds()
			server := bareServer(t, &reactor.Callbacks{
				Connection: func(c *reactor.TcpConnection) {
					if c.Connected() {
						c.SetHighWaterPause(pause)
						check(t, c.Socket().SetSendBuffer(1))
					}
					life.connection(c)
				},
				Message: func(_ *reactor.TcpConnection, in *reactor.Buffer) { in.RetrieveAll() },
			}, reactor.WithWaterMarks(1<<10, 4<<10, hard))
			b := dialBare(t, server.Addr())
			c := receive(t, life.up, "the connection")
			flooded := make(chan struct{})
			go func() {
				defer close(flooded)
				for {
					p := append(b.update(1), b.record(dataRecord, []byte("x"))...)
					if _, err := b.conn.Write(p); err != nil {
						return
					}
				}
			}()
			if pause {
				eventually(t, "reading has paused", func() bool { return c.OutputBytes() > 4<<10 })
				turn(t, c.Loop())
				if n := c.OutputBytes(); n > hard {
					t.Errorf("%d bytes wait", n)
				}
				c.ForceClose()
				receive(t, life.down, "the end")
			} else {
				wantError(t, receive(t, life.down, "the end"), reactor.ErrOutputFull)
			}
			receive(t, flooded, "the flood's end")
		})
	}
}
