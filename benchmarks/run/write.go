package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/carillon-go/carillon/benchmarks/internal/outcome"
	"github.com/carillon-go/carillon/benchmarks/internal/page"
)

// write puts everything into the folder, and the table of targets to out.
func write(o *outcome.Outcome, folder string, out io.Writer) error {
	text, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return err
	}
	files := map[string]string{"results.json": string(text) + "\n"}
	var markdown, html strings.Builder
	if err := page.Markdown(&markdown, o); err != nil {
		return err
	}
	if err := page.HTML(&html, o); err != nil {
		return err
	}
	files["results.md"], files["report.html"] = markdown.String(), html.String()
	for _, c := range page.Charts(o) {
		files[c.Name+".svg"] = c.SVG
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	if _, err := page.Targets(o).WriteTo(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s has the rest.\n", filepath.Join(folder, "report.html"))
	return err
}
