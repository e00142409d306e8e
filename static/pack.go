package static

import (
	"archive/tar"
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// packer writes one format.
type packer interface {
	// folder adds a folder; name ends in a slash.
	folder(name string, changed time.Time) error
	// file adds a file, whose size bytes are then written to what is returned.
	file(name string, size int64, mode uint32, changed time.Time) (io.Writer, error)
	Close() error
}

var packers = map[string]func(w io.Writer) packer{
	"tar":    func(w io.Writer) packer { return &tarPacker{w: tar.NewWriter(w)} },
	"tar.gz": newTarGz,
	"zip":    newZip,
}

// write packs what the survey has found. Whatever it returns but nil breaks the
// answer off.
func (p *packing) write(to packer) error {
	left := p.MaxBytes
	buf := make([]byte, 128<<10)
	for _, name := range p.names {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		n, err := p.add(to, name, left, buf)
		if err != nil {
			return fmt.Errorf("static: pack %q: %w", name, err)
		}
		left -= n
	}
	return to.Close()
}

// add packs one name, of at most left bytes, and returns how many it had. What
// went away since the survey, or may not be read, is left out.
func (p *packing) add(to packer, name string, left int64, buf []byte) (int64, error) {
	path := strings.Trim(p.top+"/"+name, "/")
	if path == "" {
		path = "."
	}
	f, err := p.root.lookup([]byte(path + "\x00"))
	if err != nil {
		if answerTo(err) == errNotFound || answerTo(err) == errForbidden {
			return 0, nil
		}
		return 0, err
	}
	defer f.close()
	changed := time.Unix(f.mtime.Unix())
	isFolder := name == "" || strings.HasSuffix(name, "/")
	inside := p.base + "/" + name
	switch {
	case isFolder && f.kind == folder:
		return 0, to.folder(inside, changed)
	case isFolder || f.kind != regular:
		return 0, nil // it has become something else
	case f.size > left:
		return 0, errTooLarge
	}
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return 0, err
	}
	w, err := to.file(inside, f.size, st.Mode, changed)
	if err != nil {
		return 0, err
	}
	for off := int64(0); off < f.size; {
		n, err := f.read(buf[:min(int64(len(buf)), f.size-off)], off, true)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF // it has become shorter
		}
		if err != nil {
			return 0, err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return 0, err
		}
		off += int64(n)
	}
	return f.size, nil
}

type tarPacker struct {
	w     *tar.Writer
	outer *gzip.Writer // nil for none
}

var gzips = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that exists
	return w
}}

func newTarGz(w io.Writer) packer {
	outer := gzips.Get().(*gzip.Writer)
	outer.Reset(w)
	return &tarPacker{tar.NewWriter(outer), outer}
}

func (t *tarPacker) folder(name string, changed time.Time) error {
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: changed})
}

// file notes the right to execute, which programs need, and no other.
func (t *tarPacker) file(name string, size int64, mode uint32, changed time.Time) (io.Writer, error) {
	err := t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: int64(0o644 | mode&0o111), ModTime: changed})
	return t.w, err
}

func (t *tarPacker) Close() error {
	err := t.w.Close()
	if t.outer == nil || err != nil {
		return err
	}
	err = t.outer.Close()
	t.outer.Reset(nil)
	gzips.Put(t.outer)
	return err
}

type zipPacker struct{ w *zip.Writer }

func newZip(w io.Writer) packer {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, deflate)
	return &zipPacker{z}
}

// inZip is a name as every system unpacks it beneath the folder where it is
// unpacked: one takes a backslash for a slash.
func inZip(name string) string { return strings.ReplaceAll(name, `\`, "_") }

func (z *zipPacker) folder(name string, changed time.Time) error {
	_, err := z.w.CreateHeader(&zip.FileHeader{Name: inZip(name), Modified: changed.UTC()})
	return err
}

func (z *zipPacker) file(name string, size int64, mode uint32, changed time.Time) (io.Writer, error) {
	h := &zip.FileHeader{Name: inZip(name), Method: zip.Deflate, Modified: changed.UTC()}
	h.SetMode(fs.FileMode(0o644 | mode&0o111))
	if size == 0 || isPacked(name) {
		h.Method = zip.Store
	}
	return z.w.CreateHeader(h)
}

func (z *zipPacker) Close() error { return z.w.Close() }

// isPacked says whether compressing a file once more gains nothing, by its name.
func isPacked(name string) bool {
	mediaType := http.MediaType(name)
	switch iconOf(name) {
	case 'z':
		return mediaType != "application/x-tar"
	case 's', 'v':
		return true
	}
	switch mediaType {
	case "image/jpeg", "image/png", "image/webp", "image/avif", "image/gif", "font/woff2", "font/woff":
		return true
	}
	return false
}

// deflater is a compressor of zip that is used again.
type deflater struct{ *flate.Writer }

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // a level that exists
	return w
}}

func deflate(w io.Writer) (io.WriteCloser, error) {
	d := deflater{deflaters.Get().(*flate.Writer)}
	d.Reset(w)
	return d, nil
}

func (d deflater) Close() error {
	err := d.Writer.Close()
	d.Reset(nil)
	deflaters.Put(d.Writer)
	return err
}
