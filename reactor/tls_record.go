package reactor

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// What there is to know of the record layer (RFC 8446 section 5, RFC 5246 section
// 6.2): where a record ends.

const (
	recordHeader = 5
	// recordSize is the longest plaintext of a record.
	recordSize = 16 << 10
	// sealedSize is the longest ciphertext of one, in TLS 1.2, without its header.
	sealedSize = recordSize + 2048
)

// firstRecord returns the length of the record that p begins with, 0 while there is
// more to come of it. What can be no record is not waited for: it is all of p, for
// crypto/tls to refuse.
func firstRecord(p []byte) int {
	if len(p) < recordHeader {
		return 0
	}
	n := int(p[3])<<8 | int(p[4])
	if kind := p[0]; kind < 20 || kind > 24 || p[1] != 3 || n > sealedSize {
		return len(p)
	}
	if len(p) < recordHeader+n {
		return 0
	}
	return recordHeader + n
}

// recordRoom is a loop's buffer for the records that crypto/tls decrypts, which it
// does in place. A tls.Conn makes such a buffer for itself, as large as its longest
// record was, and keeps it as long as it lives, beside one for handshake messages:
// the half of what an idle connection weighs. Since it is handed whole records,
// both are empty whenever tls.Conn.Read has returned.
type recordRoom struct{ b []byte }

func newRecordRoom() *recordRoom {
	return &recordRoom{make([]byte, 0, recordHeader+sealedSize+2*bytes.MinRead)}
}

// lend makes room the input buffer of conn, which has none.
func (room *recordRoom) lend(conn *tls.Conn) {
	if in := rawInputOf(conn); in != nil && in.Len() == 0 {
		*in = *bytes.NewBuffer(room.b)
	}
}

// takeBack leaves conn without buffers. Bytes that are left in one, which is not to
// be, are copied.
func (room *recordRoom) takeBack(conn *tls.Conn) { dropBuffers(conn) }

// dropBuffers is takeBack also for the buffers that a handshake has left.
func dropBuffers(conn *tls.Conn) {
	if in := rawInputOf(conn); in != nil {
		renew(in)
		renew(handOf(conn))
	}
}

func renew(b *bytes.Buffer) {
	if b.Len() == 0 {
		*b = bytes.Buffer{}
	} else {
		*b = *bytes.NewBuffer(bytes.Clone(b.Bytes()))
	}
}

// The fields of tls.Conn that hold its input buffers, found by name and type when
// the program starts. Where a Go release has changed them nothing is touched, and a
// connection costs what crypto/tls makes it cost.
var rawInputAt, handAt, buffersKnown = findBuffers()

func findBuffers() (rawInput, hand uintptr, known bool) {
	conn := reflect.TypeFor[tls.Conn]()
	raw, ok1 := conn.FieldByName("rawInput")
	handshake, ok2 := conn.FieldByName("hand")
	buffer := reflect.TypeFor[bytes.Buffer]()
	if !ok1 || !ok2 || raw.Type != buffer || handshake.Type != buffer {
		return 0, 0, false
	}
	return raw.Offset, handshake.Offset, true
}

func rawInputOf(conn *tls.Conn) *bytes.Buffer { return bufferAt(conn, rawInputAt) }
func handOf(conn *tls.Conn) *bytes.Buffer     { return bufferAt(conn, handAt) }

func bufferAt(conn *tls.Conn, offset uintptr) *bytes.Buffer {
	if !buffersKnown {
		return nil
	}
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(conn), offset))
}
