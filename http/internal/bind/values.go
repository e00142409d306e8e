package bind

import (
	"fmt"
	"reflect"
	"strconv"
)

// Values fills the struct that dst points to, by the tags of its fields. tag is the tag's key ("query", "form", "path",
// "header"), and get returns the values of a name in their order, none when the request does not have it. get is called
// for the names that the tags give, not for names of the client's, and may return a slice that it uses again.
//
//	type Search struct {
//		Text   string        `query:"q,required"`
//		Page   int           `query:"page,default=1"`
//		Tags   []string      `query:"tag"`            // ?tag=a&tag=b
//		Limit  *int          `query:"limit,omitempty"` // nil for no limit and for "limit="
//		Within time.Duration `query:"within"`
//		Price  struct {
//			Min float64 `query:"min"` // price.min
//		} `query:"price"`
//		Paging // embedded: its fields, as if they stood here
//	}
//
// The types of fields are those of [Parse], pointers to them, slices of them, and structs, or pointers to structs, of
// such fields. A struct field's own tag is the prefix of the names in it. Fields without the tag, tagged "-" or
// unexported are left alone.
//
// A field whose name is absent keeps the value that it has. A pointer to a struct stays nil when all of its names are
// absent; then nothing in it is required and no default is set. Of several values for a field that is no slice the first
// counts, as for [First]. An empty value is a value: fine for a string, an error for a number. The options:
//
//	required       an error when the name is absent
//	default=value  what an absent name is read as; for a slice, its one element. No comma.
//	omitempty      an empty value counts as absent, as from a form's field that was left blank
//
// The error is an Errors of every field that was wrong (up to 20); what is in dst then is not to be used.
//
// Values panics when dst is not a pointer to a struct, or the struct has a field that the tag asks for and no text can
// fill, an unknown option, a default that is not valid, or two fields of one name.
func Values(dst any, tag string, get func(name string) []string) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("bind: Values: the destination is a %T: pass a pointer to a struct that is not nil", dst))
	}
	v = v.Elem()
	b := binding{get: get}
	b.fill(planOf(v.Type(), tag), v)
	if len(b.errs) > 0 {
		return b.errs
	}
	return nil
}

// binding is one call of Values.
type binding struct {
	get  func(name string) []string
	errs Errors
}

func (b *binding) fail(field string, err *Error) {
	err.Field = field
	b.errs = append(b.errs, *err)
}

func (b *binding) fill(p *plan, v reflect.Value) {
	for i := range p.fields {
		f := &p.fields[i]
		if len(b.errs) >= maxErrors {
			return
		}
		if f.group == nil {
			b.leaf(f, v.Field(f.at))
			continue
		}
		inner := v.Field(f.at)
		if f.pointer {
			if inner.IsNil() {
				if !b.present(f.group) {
					continue
				}
				inner.Set(reflect.New(inner.Type().Elem()))
			}
			inner = inner.Elem()
		}
		b.fill(f.group, inner)
	}
}

func (b *binding) leaf(f *field, v reflect.Value) {
	values := b.values(f)
	if len(values) == 0 {
		values = f.otherwise
	}
	switch {
	case len(values) == 0:
		if f.required {
			b.fail(f.name, &Error{Reason: reasonRequired})
		}
	case f.slice:
		b.slice(f, v, values)
	default:
		if f.pointer {
			v.Set(reflect.New(v.Type().Elem())) // a new one: the old may be shared
			v = v.Elem()
		}
		if err := f.set(v, values[0]); err != nil {
			b.fail(f.name, err)
		}
	}
}

func (b *binding) slice(f *field, v reflect.Value, values []string) {
	all := reflect.MakeSlice(v.Type(), len(values), len(values))
	for i, s := range values {
		if err := f.set(all.Index(i), s); err != nil {
			if b.fail(f.name+"["+strconv.Itoa(i)+"]", err); len(b.errs) >= maxErrors {
				break
			}
		}
	}
	v.Set(all)
}

// values returns what the request has for f, without the empty where the field asks for that.
func (b *binding) values(f *field) []string {
	values := b.get(f.name)
	if !f.omitEmpty {
		return values
	}
	if !f.slice && len(values) > 0 { // only the first counts, here too
		if values[0] == "" {
			return nil
		}
		return values
	}
	kept := make([]string, 0, len(values)) // not in place: the values are the request's
	for _, s := range values {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// present says whether the request has any of the names in p.
func (b *binding) present(p *plan) bool {
	for i := range p.fields {
		f := &p.fields[i]
		if f.group != nil && b.present(f.group) || f.group == nil && len(b.values(f)) > 0 {
			return true
		}
	}
	return false
}
