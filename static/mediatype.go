package static

import (
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
