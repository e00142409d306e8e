package config

import (
	"fmt"
	"io"
	"reflect"
)

// Print writes what holds as a file that says the same.
func (c *Config) Print(w io.Writer) error {
	p := &printer{w: w}
	p.table(reflect.ValueOf(c).Elem(), "")
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// table writes the values of a struct, and its tables behind them, as TOML wants it.
func (p *printer) table(v reflect.Value, prefix string) {
	var later []func()
	p.values(v, prefix, &later)
	for _, f := range later {
		f()
	}
}

func (p *printer) values(v reflect.Value, prefix string, later *[]func()) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		name := f.Tag.Get("toml")
		switch {
		case f.Anonymous:
			p.values(value, prefix, later)
		case f.Tag.Get("doc") != "":
			if !value.IsZero() {
				p.printf("%s = %s\n", name, value.Addr().Interface())
			}
		case value.Kind() == reflect.Pointer:
			if !value.IsNil() {
				*later = append(*later, func() {
					p.printf("\n[%s]\n", prefix+name)
					p.table(value.Elem(), prefix+name+".")
				})
			}
		default:
			for j := range value.Len() {
				*later = append(*later, func() {
					p.printf("\n[[%s]]\n", prefix+name)
					p.table(value.Index(j), prefix+name+".")
				})
			}
		}
	}
}
