package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// How each kind of value begins anew, is shown, and is read from a file.

func (*Names) isList()    {}
func (*Hosts) isList()    {}
func (*Networks) isList() {}
func (*Targets) isList()  {}
func (*Addrs) isList()    {}
func (*Codings) isList()  {}
func (*Formats) isList()  {}
func (*Codes) isList()    {}
func (*Folders) isList()  {}

// Reset implements Value, here and below.
func (t *Text) Reset()     { *t = "" }
func (b *Bool) Reset()     { *b = Bool{} }
func (*Choice) Reset()     {}
func (d *Duration) Reset() { *d = 0 }
func (n *Number) Reset()   { *n = 0 }
func (z *Size) Reset()     { *z = 0 }
func (c *Code) Reset()     { *c = 0 }
func (p *Pattern) Reset()  { *p = "" }
func (n *Names) Reset()    { *n = nil }
func (h *Hosts) Reset()    { *h = nil }
func (n *Networks) Reset() { *n = nil }
func (t *Targets) Reset()  { *t = nil }
func (p *Pairs) Reset()    { *p = nil }
func (a *Addrs) Reset()    { *a = nil }
func (c *Codings) Reset()  { *c = Codings{} }
func (f *Formats) Reset()  { *f = nil }
func (c *Codes) Reset()    { *c = nil }
func (f *Folders) Reset()  { *f = nil }

// String implements Value, here and below: as a file has it.
func (t *Text) String() string { return fmt.Sprintf("%q", string(*t)) }
func (b *Bool) String() string { return fmt.Sprint(b.Value) }
func (c *Choice) String() string {
	return fmt.Sprintf("%q", c.Value)
}
func (d *Duration) String() string { return fmt.Sprintf("%q", time.Duration(*d)) }
func (n *Number) String() string   { return fmt.Sprint(int(*n)) }
func (z *Size) String() string     { return fmt.Sprint(int64(*z)) }
func (c *Code) String() string     { return fmt.Sprint(int(*c)) }
func (p *Pattern) String() string  { return fmt.Sprintf("%q", string(*p)) }
func (n *Names) String() string    { return quoted(*n) }
func (h *Hosts) String() string    { return quoted(*h) }
func (t *Targets) String() string  { return quoted(*t) }
func (a *Addrs) String() string    { return quoted(*a) }
func (c *Codings) String() string  { return quoted(c.Names) }
func (f *Formats) String() string  { return quoted(*f) }
func (c *Codes) String() string    { return quoted(*c) }
func (f *Folders) String() string  { return quoted(*f) }
func (n *Networks) String() string {
	var list []string
	for _, p := range *n {
		list = append(list, p.String())
	}
	return quoted(list)
}

func (p *Pairs) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(*p)) {
		list = append(list, fmt.Sprintf("%q = %q", name, (*p)[name]))
	}
	return "{ " + strings.Join(list, ", ") + " }"
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// UnmarshalTOML implements toml.Unmarshaler, here and below.
func (t *Text) UnmarshalTOML(v any) error     { return fromTOML(t, v) }
func (b *Bool) UnmarshalTOML(v any) error     { return fromTOML(b, v) }
func (c *Choice) UnmarshalTOML(v any) error   { return fromTOML(c, v) }
func (d *Duration) UnmarshalTOML(v any) error { return fromTOML(d, v) }
func (n *Number) UnmarshalTOML(v any) error   { return fromTOML(n, v) }
func (z *Size) UnmarshalTOML(v any) error     { return fromTOML(z, v) }
func (c *Code) UnmarshalTOML(v any) error     { return fromTOML(c, v) }
func (p *Pattern) UnmarshalTOML(v any) error  { return fromTOML(p, v) }
func (n *Names) UnmarshalTOML(v any) error    { return fromTOML(n, v) }
func (h *Hosts) UnmarshalTOML(v any) error    { return fromTOML(h, v) }
func (n *Networks) UnmarshalTOML(v any) error { return fromTOML(n, v) }
func (t *Targets) UnmarshalTOML(v any) error  { return fromTOML(t, v) }
func (a *Addrs) UnmarshalTOML(v any) error    { return fromTOML(a, v) }
func (p *Pairs) UnmarshalTOML(v any) error    { return p.fromTable(v) }
func (f *Formats) UnmarshalTOML(v any) error  { return fromTOML(f, v) }
func (c *Codes) UnmarshalTOML(v any) error    { return fromTOML(c, v) }
func (f *Folders) UnmarshalTOML(v any) error  { return fromTOML(f, v) }
func (c *Codings) UnmarshalTOML(v any) error {
	err := fromTOML(c, v)
	c.Given = true // also an empty list
	return err
}
