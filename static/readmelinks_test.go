package static

import (
	"strings"
	"testing"
)

// Links of a README lead to the web, to mail, or to what lies beside it, however they are written.
func TestReadmeLinks(t *testing.T) {
	for text, want := range map[string]string{
		"[x](http://h/)":              `<a href="http://h/">x</a>`,
		"[x](HTTPS://h/)":             `<a href="HTTPS://h/">x</a>`,
		"[x](mailto:a@h)":             `<a href="mailto:a@h">x</a>`,
		"[x](//h/)":                   `<a href="//h/">x</a>`,
		"[x](sub/a:b.txt?c:d#e:f)":    `<a href="sub/a:b.txt?c:d#e:f">x</a>`,
		"[x](#part)":                  `<a href="#part">x</a>`,
		"[x](ssh://h/)":               `<a href="">x</a>`,
		"[x](ms-msdt:/id)":            `<a href="">x</a>`,
		"[x](ms-msdt&colon;/id)":      `<a href="">x</a>`,
		"[x](ms&#45;msdt&#58;/id)":    `<a href="">x</a>`,
		`[x](ms-msdt\:/id)`:           `<a href="">x</a>`,
		"[x](blob:https://x/1)":       `<a href="">x</a>`,
		"[x](data:image/png;base64,)": `<a href="">x</a>`,
		"[x]\n\n[x]: ssh://h/":        `<a href="">x</a>`,
		"![x](data:image/png,)":       `<img src="" alt="x">`,
		"![x](a.png)":                 `<img src="a.png" alt="x">`,
		"<ssh://h/?<b>":               `&lt;ssh://h/?<!-- raw HTML omitted -->`,
		"<ssh://h/?a&b>":              `<p>ssh://h/?a&amp;b</p>`,
		"<https://h/>":                `<a href="https://h/">https://h/</a>`,
		"<a@h.example>":               `<a href="mailto:a@h.example">a@h.example</a>`,
		"see ftp://h.example/ there":  `<p>see ftp://h.example/ there</p>`,
		"see www.h.example there":     `<a href="http://www.h.example">www.h.example</a>`,
	} {
		rm := readme{name: "README.md", text: text}
		page, err := rm.append(nil)
		if err != nil || !strings.Contains(string(page), want) {
			t.Errorf("%q: %s, %v; want %s", text, page, err, want)
		}
	}
}
