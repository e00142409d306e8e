package bind

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// plan is what Values does with one struct type and one tag. It is compiled once and then only read.
type plan struct{ fields []field }

// field is one field of a struct: a leaf with a name, or a struct with a plan of its own.
type field struct {
	at      int // in its struct
	pointer bool
	group   *plan // nil for a leaf

	name      string // with the prefixes of the structs around it
	slice     bool
	set       setter
	required  bool
	omitEmpty bool
	otherwise []string // the default, as get would return it; nil without
}

// taggedPlan is one of the plans of a type.
type taggedPlan struct {
	tag  string
	plan *plan
}

// plans holds for a reflect.Type a []taggedPlan. The tag is not part of the key, for a key with two fields would be
// allocated for each look-up.
var plans sync.Map

func planOf(t reflect.Type, tag string) *plan {
	known, _ := plans.Load(t)
	list, _ := known.([]taggedPlan)
	for i := range list {
		if list[i].tag == tag {
			return list[i].plan
		}
	}
	c := compiler{root: t, tag: tag, names: map[string]bool{}}
	p := c.compile(t, "")
	// Of two goroutines that compile at once one plan may be lost; the next call makes it again.
	plans.Store(t, append(list[:len(list):len(list)], taggedPlan{tag, p}))
	return p
}

type compiler struct {
	root  reflect.Type
	tag   string
	names map[string]bool
	above []reflect.Type // the structs that are being compiled
}

func (c *compiler) compile(t reflect.Type, prefix string) *plan {
	c.above = append(c.above, t)
	p := &plan{}
	for i := range t.NumField() {
		sf := t.Field(i)
		value, tagged := sf.Tag.Lookup(c.tag)
		switch {
		case value == "-" || !tagged && !sf.Anonymous || !sf.IsExported() && !sf.Anonymous:
		case !tagged:
			if f, ok := c.embedded(sf, prefix); ok {
				p.fields = append(p.fields, f)
			}
		default:
			p.fields = append(p.fields, c.tagged(sf, value, prefix))
		}
	}
	c.above = c.above[:len(c.above)-1]
	return p
}

// embedded compiles a struct that is embedded without a tag: its fields count as fields of the struct around it.
func (c *compiler) embedded(sf reflect.StructField, prefix string) (field, bool) {
	t, pointer := deref(sf.Type)
	if t.Kind() != reflect.Struct {
		return field{}, false
	}
	f := field{at: sf.Index[0], pointer: pointer, group: c.nested(sf, t, prefix)}
	if len(f.group.fields) > 0 {
		c.settable(sf, pointer)
	}
	return f, len(f.group.fields) > 0
}

func (c *compiler) tagged(sf reflect.StructField, value, prefix string) field {
	name, options, _ := strings.Cut(value, ",")
	if name == "" {
		c.fail(sf, "the tag has no name: write `%s:\"name\"`, or \"-\" to leave the field out", c.tag)
	}
	name = prefix + name
	t, pointer := deref(sf.Type)
	f := field{at: sf.Index[0], name: name, pointer: pointer}
	switch f.set = setterOf(t); {
	case f.set != nil:
	case t.Kind() == reflect.Struct:
		if options != "" {
			c.fail(sf, "a struct takes no options (%q): give them to its fields", options)
		}
		f.group = c.nested(sf, t, name+".")
		if len(f.group.fields) == 0 {
			c.fail(sf, "no field of %v has a %s tag: give it tags, or an UnmarshalText method", t, c.tag)
		}
		c.settable(sf, pointer)
		return f
	case t.Kind() == reflect.Slice && !pointer && t.Elem().Kind() != reflect.Uint8:
		f.slice, f.set = true, setterOf(t.Elem())
	}
	if f.set == nil {
		c.fail(sf, "a %v cannot be read from text: %s, or a slice of or a pointer to one of those", sf.Type, supported)
	}
	c.settable(sf, true)
	if c.names[name] {
		c.fail(sf, "a second field has the name %q: rename one of them", name)
	}
	c.names[name] = true
	c.options(&f, sf, t, options)
	return f
}

func (c *compiler) options(f *field, sf reflect.StructField, t reflect.Type, options string) {
	for option := range strings.SplitSeq(options, ",") {
		switch value, isDefault := strings.CutPrefix(option, "default="); {
		case isDefault && f.otherwise == nil:
			f.otherwise = []string{value}
		case option == "required" && !f.required:
			f.required = true
		case option == "omitempty" && !f.omitEmpty:
			f.omitEmpty = true
		case options == "":
		default:
			c.fail(sf, "unknown or repeated option %q in the %s tag: the options are required, omitempty and default=value "+
				"(a value without comma)", option, c.tag)
		}
	}
	if f.otherwise == nil {
		return
	}
	if f.required {
		c.fail(sf, "a field that is required has no use for a default: drop one of the two")
	}
	if f.slice {
		t = t.Elem()
	}
	if err := f.set(reflect.New(t).Elem(), f.otherwise[0]); err != nil {
		c.fail(sf, "the default %q %s", f.otherwise[0], err.Reason)
	}
}

// nested compiles the struct type t of a field.
func (c *compiler) nested(sf reflect.StructField, t reflect.Type, prefix string) *plan {
	for _, above := range c.above {
		if above == t {
			c.fail(sf, "%v holds itself, so that it would have names without end: leave the field out by \"-\"", t)
		}
	}
	return c.compile(t, prefix)
}

// settable fails for an embedded field of unexported type that would itself be set; a struct's fields can be.
func (c *compiler) settable(sf reflect.StructField, itself bool) {
	if itself && !sf.IsExported() {
		c.fail(sf, "what is embedded by an unexported type cannot be set: export the type, or embed a struct, not a pointer")
	}
}

func (c *compiler) fail(sf reflect.StructField, format string, args ...any) {
	owner := c.above[len(c.above)-1]
	panic(fmt.Sprintf("bind: field %s of %v: ", sf.Name, owner) + fmt.Sprintf(format, args...))
}

// deref returns what a pointer type points to, any other type as it is.
func deref(t reflect.Type) (elem reflect.Type, pointer bool) {
	if t.Kind() == reflect.Pointer {
		return t.Elem(), true
	}
	return t, false
}
