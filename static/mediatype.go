package static

import (
	"fmt"
	"mime"
	"path"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// mediaType returns the Content-Type of a file: what WithMediaType says, else what http.MediaType does, whose table is the same
// on every machine, else that of the system (mime.TypeByExtension, which reads /etc/mime.types and its like). Text without a
// charset is declared as UTF-8.
func (f *Files) mediaType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := f.types[ext]; ok && ext != "" {
		return t
	}
	t := http.MediaType(name)
	if t != unknownType || ext == "" {
		return t
	}
	if system := mime.TypeByExtension(ext); system != "" {
		t = system
	}
	if strings.HasPrefix(t, "text/") && !strings.Contains(t, "charset=") {
		t += "; charset=utf-8"
	}
	return t
}

const unknownType = "application/octet-stream"

// WithMediaType sets the Content-Type of files whose names end in ext, ".foo", in whatever case.
func WithMediaType(ext, mediaType string) Option {
	return func(f *Files) error {
		if len(ext) < 2 || ext[0] != '.' || strings.ContainsAny(ext[1:], "./") {
			return fmt.Errorf("media type of %q: an extension is a dot and what follows the last one in a name", ext)
		}
		if _, _, err := mime.ParseMediaType(mediaType); err != nil || !strings.Contains(mediaType, "/") {
			return fmt.Errorf("media type %q of %q is malformed", mediaType, ext)
		}
		if f.types == nil {
			f.types = make(map[string]string)
		}
		f.types[strings.ToLower(ext)] = mediaType
		return nil
	}
}
