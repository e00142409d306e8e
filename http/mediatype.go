package http

import "strings"

// MediaType returns the media type of a file by its name, of which what stands behind the last slash counts. The table is the
// program's own, so an answer looks the same on every machine, whatever mime.types is installed there. Text is declared as
// UTF-8. A name that the table does not know is application/octet-stream: with nosniff, a browser then offers to save it and
// never guesses.
func MediaType[S string | []byte](name S) string {
	var space [16]byte
	dot, slash := -1, -1
	for i := len(name) - 1; i >= 0 && slash < 0; i-- {
		switch {
		case name[i] == '/':
			slash = i
		case name[i] == '.' && dot < 0:
			dot = i
		}
	}
	table, key := types, name[dot+1:]
	if dot < 0 {
		table, key = bareNames, name[slash+1:]
	}
	if len(key) > len(space) {
		return octets
	}
	small := space[:len(key)]
	for i := range len(key) {
		small[i] = lower[key[i]]
	}
	if t, ok := table[string(small)]; ok {
		return t
	}
	return octets
}

const (
	octets    = "application/octet-stream"
	plainText = "text/plain; charset=utf-8"
)

// bareNames are files that people keep without an extension and expect to read in the browser.
var bareNames = typeTable(plainText, `authors changelog codeowners contributing copying copyright
	dockerfile gemfile gnumakefile history install licence license maintainers makefile news notice
	procfile rakefile readme thanks todo vagrantfile version`)

// types maps extensions, in lower case, to media types as registered with IANA, else as WHATWG's MIME Sniffing and the browsers
// use them. What a person would want to read (source code, configuration, logs) is text/plain.
var types = join(
	typeTable("text/html; charset=utf-8", "html htm"),
	typeTable("text/css; charset=utf-8", "css"),
	typeTable("text/javascript; charset=utf-8", "js mjs"),
	typeTable("text/csv; charset=utf-8", "csv"),
	typeTable("text/tab-separated-values; charset=utf-8", "tsv"),
	typeTable("text/markdown; charset=utf-8", "md markdown"),
	typeTable("text/calendar; charset=utf-8", "ics"),
	typeTable("text/vcard; charset=utf-8", "vcf"),
	typeTable("text/vtt; charset=utf-8", "vtt"),
	typeTable("text/xml; charset=utf-8", "xml xsl xslt xsd rng"),
	typeTable(plainText, `txt text log conf cfg ini env properties toml diff patch
		asc srt rst adoc org tex bib c h cc cpp cxx hh hpp cs go mod sum rs py rb pl pm php java kt kts
		scala swift m mm lua r jl hs ml mli ex exs erl hrl clj el lisp scm ts tsx jsx vue svelte scss
		sass less sql sh bash zsh fish ps1 bat cmd awk sed vim nix dart zig v vhd s asm cmake mk make
		gradle proto graphql tf dockerfile service`),
	typeTable("application/json", "json map"),
	typeTable("application/ld+json", "jsonld"),
	typeTable("application/geo+json", "geojson"),
	typeTable("application/manifest+json", "webmanifest"),
	typeTable("application/jsonl", "jsonl ndjson"),
	typeTable("application/yaml", "yaml yml"),
	typeTable("application/xhtml+xml; charset=utf-8", "xhtml"),
	typeTable("application/atom+xml; charset=utf-8", "atom"),
	typeTable("application/rss+xml; charset=utf-8", "rss"),
	typeTable("application/gpx+xml", "gpx"),
	typeTable("application/vnd.google-earth.kml+xml", "kml"),
	typeTable("application/pdf", "pdf"),
	typeTable("application/postscript", "ps eps ai"),
	typeTable("application/rtf", "rtf"),
	typeTable("application/epub+zip", "epub"),
	typeTable("application/wasm", "wasm"),
	typeTable("application/zip", "zip"),
	typeTable("application/gzip", "gz tgz"),
	typeTable("application/x-bzip2", "bz2"),
	typeTable("application/x-xz", "xz"),
	typeTable("application/zstd", "zst"),
	typeTable("application/x-tar", "tar"),
	typeTable("application/x-7z-compressed", "7z"),
	typeTable("application/vnd.rar", "rar"),
	typeTable("application/java-archive", "jar war"),
	typeTable("application/vnd.android.package-archive", "apk"),
	typeTable("application/vnd.debian.binary-package", "deb"),
	typeTable("application/x-rpm", "rpm"),
	typeTable("application/sqlite3", "sqlite sqlite3"),
	typeTable("application/msword", "doc"),
	typeTable("application/vnd.ms-excel", "xls"),
	typeTable("application/vnd.ms-powerpoint", "ppt"),
	typeTable("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
	typeTable("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
	typeTable("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
	typeTable("application/vnd.oasis.opendocument.text", "odt"),
	typeTable("application/vnd.oasis.opendocument.spreadsheet", "ods"),
	typeTable("application/vnd.oasis.opendocument.presentation", "odp"),
	typeTable("application/vnd.apple.mpegurl", "m3u8"),
	typeTable("application/dash+xml", "mpd"),
	typeTable("image/svg+xml; charset=utf-8", "svg"),
	typeTable("image/png", "png"),
	typeTable("image/apng", "apng"),
	typeTable("image/jpeg", "jpg jpeg jfif"),
	typeTable("image/gif", "gif"),
	typeTable("image/webp", "webp"),
	typeTable("image/avif", "avif"),
	typeTable("image/jxl", "jxl"),
	typeTable("image/heic", "heic"),
	typeTable("image/bmp", "bmp"),
	typeTable("image/tiff", "tif tiff"),
	typeTable("image/vnd.microsoft.icon", "ico"),
	typeTable("audio/mpeg", "mp3"),
	typeTable("audio/mp4", "m4a"),
	typeTable("audio/aac", "aac"),
	typeTable("audio/ogg", "ogg oga opus"),
	typeTable("audio/flac", "flac"),
	typeTable("audio/wav", "wav"),
	typeTable("audio/midi", "mid midi"),
	typeTable("audio/webm", "weba"),
	typeTable("video/mp4", "mp4 m4v"),
	typeTable("video/webm", "webm"),
	typeTable("video/ogg", "ogv"),
	typeTable("video/quicktime", "mov"),
	typeTable("video/x-matroska", "mkv"),
	typeTable("video/x-msvideo", "avi"),
	typeTable("video/mpeg", "mpg mpeg"),
	typeTable("video/mp2t", "m2ts"),
	typeTable("font/woff2", "woff2"),
	typeTable("font/woff", "woff"),
	typeTable("font/ttf", "ttf"),
	typeTable("font/otf", "otf"),
	typeTable("font/collection", "ttc"),
	typeTable("application/vnd.ms-fontobject", "eot"),
)

func typeTable(mediaType, names string) map[string]string {
	table := map[string]string{}
	for name := range strings.FieldsSeq(names) {
		table[name] = mediaType
	}
	return table
}

// join makes one table; an extension that stands in two is a mistake here.
func join(tables ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, table := range tables {
		for name, mediaType := range table {
			if _, twice := all[name]; twice {
				panic("http: two media types for ." + name)
			}
			all[name] = mediaType
		}
	}
	return all
}
