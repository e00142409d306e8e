package http

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"sync"

	"github.com/valyala/bytebufferpool"
)

// jsonWriter is an encoder with the buffer that it writes to. Both are used again, so that what an answer allocates is what v
// itself asks for.
type jsonWriter struct {
	buf     []byte
	encoder *json.Encoder
}

var jsonWriters = sync.Pool{New: func() any {
	w := &jsonWriter{}
	w.encoder = json.NewEncoder(w)
	w.encoder.SetEscapeHTML(false)
	return w
}}

// Write implements io.Writer.
func (w *jsonWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// JSON answers with v as application/json, by the rules of encoding/json, unless the handler has set another Content-Type.
//
// "<", ">" and "&" stay as they are: no browser takes this media type for HTML. Who writes JSON into a page encodes it there.
//
// Errors are those of Text, and that of encoding/json when v cannot be encoded; then nothing is written, and the handler that
// returns it is answered for by 500.
func (c *Ctx) JSON(code int, v any) error {
	x := c.live()
	w := jsonWriters.Get().(*jsonWriter)
	w.buf = w.buf[:0]
	err := w.encoder.Encode(v)
	if err == nil {
		err = x.answer(code, "application/json", w.buf[:len(w.buf)-1]) // without the line end
	} else {
		err = fmt.Errorf("http: encode JSON: %w", err)
	}
	w.buf = kept(w.buf)
	jsonWriters.Put(w)
	return err
}

// XML answers with v as application/xml, by the rules of encoding/xml and with the XML declaration in front, unless the handler
// has set another Content-Type. Errors are as for JSON.
func (c *Ctx) XML(code int, v any) error {
	return c.rendered(code, "application/xml; charset=utf-8", func(w io.Writer) error {
		if _, err := io.WriteString(w, xml.Header); err != nil {
			return err
		}
		return xml.NewEncoder(w).Encode(v)
	})
}

// Renderer writes a page by its name. A *template.Template of html/template is one, with the templates that it knows. One of
// text/template is too, and escapes nothing.
type Renderer interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

// HTML answers with the page that r makes of data by the template called name, as text/html, unless the handler has set
// another Content-Type. The page is made as a whole first: errors are as for JSON.
func (c *Ctx) HTML(code int, r Renderer, name string, data any) error {
	return c.rendered(code, "text/html; charset=utf-8", func(w io.Writer) error { return r.ExecuteTemplate(w, name, data) })
}

// rendered answers with what write makes, when that is complete.
func (c *Ctx) rendered(code int, contentType string, write func(w io.Writer) error) error {
	x := c.live()
	b := bytebufferpool.Get()
	defer bytebufferpool.Put(b)
	if err := write(b); err != nil {
		return fmt.Errorf("http: render: %w", err)
	}
	return x.answer(code, contentType, b.B)
}
