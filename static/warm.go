package static

import (
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// readAhead is how much, in bytes, of what is sent from a file is fetched from a cold disk before. What comes behind it the kernel
// reads ahead while the loop sends; where the disk is slower than the client, the loop waits for it.
const readAhead = 2 << 20

// warm says whether n bytes from off on lie in the page cache: their first, and the last of what would be fetched.
func (f file) warm(off, n int64) bool {
	return f.readable(off, false) && f.readable(off+min(n, readAhead)-1, false)
}

// fetch waits for what warm asks for.
func (f file) fetch(off, n int64) {
	n = min(n, readAhead)
	_ = unix.Fadvise(f.fd, off, n, unix.FADV_WILLNEED) // a hint
	f.readable(off, true)
	f.readable(off+n-1, true) // what is wrong with the file shows when it is sent
}

// readable says whether a byte can be read, or whether that fails, without waiting, which it does when it may.
func (f file) readable(off int64, wait bool) bool {
	var p [1]byte
	_, err := f.read(p[:], off, wait)
	return err != errWouldWait
}

// warmParts sees to it that parts of m can be sent, or says by errWouldWait that they have to be waited for.
func (m *form) warmParts(parts []http.Range, wait bool) error {
	if m.inMemory() {
		return nil
	}
	for _, part := range parts {
		switch {
		case m.file.warm(part.Off, part.Length):
		case !wait:
			return errWouldWait
		default:
			m.file.fetch(part.Off, part.Length)
		}
	}
	return nil
}

// isRemote says whether what a folder has comes over a network, or from another process: then even the facts of an open file may
// have to be waited for, and nothing tells before.
func isRemote(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && isRemoteType(uint32(st.Type))
}

func isRemoteType(magic uint32) bool {
	switch magic {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC, unix.V9FS_MAGIC:
		return true
	}
	return false
}
