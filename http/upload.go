package http

import (
	"bytes"
	"fmt"
	"io"
	"net/textproto"
	"net/url"
	"os"
)

// Form is a body of multipart/form-data, read as a whole. It is valid until the handler returns.
type Form struct {
	Values url.Values               // the fields that are no files
	Files  map[string][]*FileHeader // by the name of their field
}

// File returns the first file of a field, nil when there is none.
func (f *Form) File(name string) *FileHeader {
	if files := f.Files[name]; len(files) > 0 {
		return files[0]
	}
	return nil
}

// FileHeader is a file that was uploaded.
type FileHeader struct {
	Filename string               // its last element: see BaseName. It is the client's word.
	Header   textproto.MIMEHeader // of its part; the Content-Type in it is the client's word
	Size     int64                // bytes

	from io.ReaderAt
	off  int64
}

// Open returns the content. Several readers of one file do not disturb each other, and none has to be closed; behind the
// handler a file that lay on disk is gone, and reading it is os.ErrClosed.
func (h *FileHeader) Open() *io.SectionReader { return io.NewSectionReader(h.from, h.off, h.Size) }

// SaveAs writes the content to a new file at path, which only the user of the process may read. A file or a link that is there
// already is an error (fs.ErrExist). path is the program's own; Filename in it lets the client choose.
func (h *FileHeader) SaveAs(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("http: save an upload: %w", err)
	}
	_, err = io.Copy(f, h.Open())
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("http: save an upload: %w", err)
	}
	return nil
}

// MultipartForm reads a body of multipart/form-data as a whole: its fields, and its files, up to opts.MaxMemory in memory and
// the rest on disk. That is one file without a name, so that nothing stays behind, however the handler or the process ends.
// Called again, it returns the same, whatever the options.
//
// An input for a file that the user left blank is neither a value nor a file. Errors are those of Multipart, and the system's
// when the disk fails.
func (c *Ctx) MultipartForm(opts MultipartOptions) (*Form, error) {
	x := c.live()
	if s := x.form; s != nil && (s.files != nil || s.err != nil) {
		return s.files, s.err
	}
	if m, err := c.bodyType(); err != nil || m.media != multipartForm {
		return nil, unsupported(multipartForm) // and the fields of another form stay as they are
	}
	r := formReader{c: c, opts: opts.filled(), form: &Form{Values: url.Values{}, Files: map[string][]*FileHeader{}}}
	s := &formState{}
	for part, err := range c.Multipart(opts) {
		if err == nil {
			err = r.add(part)
		}
		if err != nil {
			s.err = err
			break
		}
	}
	if s.err == nil {
		s.files, s.values = r.form, r.form.Values
	}
	x.form = s
	return s.files, s.err
}

// formReader gathers the parts of a Form.
type formReader struct {
	c    *Ctx
	opts MultipartOptions // the bounds on bytes are what is left of them
	form *Form
	buf  bytes.Buffer
	disk *os.File // what was too much for the memory, file behind file; nil while there is none
	end  int64    // of disk
}

func (r *formReader) add(p *Part) error {
	if p.IsFile {
		return r.addFile(p)
	}
	r.buf.Reset()
	room := r.opts.MaxValues - int64(len(p.Name))
	if _, err := r.buf.ReadFrom(io.LimitReader(p, max(room, 0)+1)); err != nil {
		return err
	}
	if int64(r.buf.Len()) > room {
		return errPartValues
	}
	r.opts.MaxValues = room - int64(r.buf.Len())
	r.form.Values.Add(p.Name, r.buf.String())
	return nil
}

func (r *formReader) addFile(p *Part) error {
	h := &FileHeader{Filename: p.Filename, Header: p.Header}
	r.buf.Reset()
	n, err := r.buf.ReadFrom(io.LimitReader(p, max(r.opts.MaxMemory, 0)+1))
	switch {
	case err != nil:
		return err
	case n == 0 && p.Filename == "":
		return nil
	case n <= r.opts.MaxMemory:
		r.opts.MaxMemory -= n
		h.from, h.Size = bytes.NewReader(bytes.Clone(r.buf.Bytes())), n
	default:
		if err := r.spill(h, io.MultiReader(&r.buf, p)); err != nil {
			return err
		}
	}
	r.form.Files[p.Name] = append(r.form.Files[p.Name], h)
	return nil
}

// spill writes a file to the disk. What is left of MaxMemory is for smaller ones.
func (r *formReader) spill(h *FileHeader, content io.Reader) error {
	if r.disk == nil {
		f, err := os.CreateTemp(r.opts.TempDir, "upload-*")
		if err != nil {
			return fmt.Errorf("http: keep an upload: %w", err)
		}
		r.disk = f
		r.c.After(func(*Ctx) { f.Close() })
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("http: keep an upload: %w", err)
		}
	}
	n, err := io.Copy(r.disk, content)
	h.from, h.off, h.Size = r.disk, r.end, n
	r.end += n
	return err
}
