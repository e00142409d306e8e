package table

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	tests := []struct {
		name  string
		table Table
		want  string
	}{
		{"numbers to the right", Table{
			Head:    []string{"server", "µs"},
			Rows:    [][]string{{"a", "6.50 ± 0.10"}, {"longer", "12"}},
			Numbers: true,
		}, `
| server |          µs |
| ------ | ----------: |
| a      | 6.50 ± 0.10 |
| longer |          12 |
`},
		{"text to the left, what would break a row escaped", Table{
			Head: []string{"a", "b"},
			Rows: [][]string{{"x|y", "one\ntwo"}},
		}, `
| a    | b       |
| ---- | ------- |
| x\|y | one two |
`},
		{"no rows", Table{Head: []string{"a"}}, `
| a   |
| --- |
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if _, err := tt.table.WriteTo(&out); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != tt.want {
				t.Errorf("got%swant%s", got, tt.want)
			}
		})
	}
}
