// Package table writes Markdown tables that are also aligned to read as they are.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is a head and rows of as many cells. The first column is set to the left;
// the others to the right when Numbers says so.
type Table struct {
	Head    []string
	Rows    [][]string
	Numbers bool
}

// WriteTo writes t. A "|" in a cell is escaped.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	rows := [][]string{escape(t.Head)}
	for _, row := range t.Rows {
		rows = append(rows, escape(row))
	}
	widths := make([]int, len(t.Head))
	for i := range widths {
		widths[i] = 3 // of the rule below the head
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var out strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			out.WriteString("| " + t.pad(i, cell, widths[i]) + " ")
		}
		out.WriteString("|\n")
		if n == 0 {
			t.rule(&out, widths)
		}
	}
	n, err := io.WriteString(w, out.String())
	return int64(n), err
}

func (t *Table) pad(column int, cell string, width int) string {
	blanks := strings.Repeat(" ", width-utf8.RuneCountInString(cell))
	if t.right(column) {
		return blanks + cell
	}
	return cell + blanks
}

func (t *Table) rule(out *strings.Builder, widths []int) {
	for i, width := range widths {
		dashes := strings.Repeat("-", width)
		if t.right(i) {
			dashes = dashes[1:] + ":"
		}
		fmt.Fprintf(out, "| %s ", dashes)
	}
	out.WriteString("|\n")
}

func (t *Table) right(column int) bool { return t.Numbers && column > 0 }

func escape(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = strings.NewReplacer("|", `\|`, "\n", " ").Replace(cell)
	}
	return out
}
