package config

import (
	"reflect"
	"strings"
)

// Setting is one line of the table: a field of Config, or of Site, that flags or the environment can set.
type Setting struct {
	Key    string // in a file: max_connections
	Letter string // of the flag, "" without
	Flag   bool
	Arg    string
	Bare   string // what the flag says without a value; elements of a list stand between commas
	Doc    string
	Reload bool     // a reload takes it over; others hold from the next start on
	Of     []string // the words that are allowed, nil for others
	index  []int
}

// FlagName is the name of the flag, without its dashes.
func (s Setting) FlagName() string { return strings.ReplaceAll(s.Key, "_", "-") }

// EnvName is the name of the environment variable.
func (s Setting) EnvName() string { return "HTTPD_" + strings.ToUpper(s.Key) }

// In returns the value of the setting in c.
func (s Setting) In(c *Config) Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(s.index).Addr().Interface().(Value)
}

// Reload takes over from next all that a reload may change, and returns the keys of what else differs.
func (c *Config) Reload(next *Config) (waits []string) {
	for _, s := range Settings() {
		here, there := reflect.ValueOf(s.In(c)).Elem(), reflect.ValueOf(s.In(next)).Elem()
		switch {
		case s.Reload:
			here.Set(there)
		case !reflect.DeepEqual(here.Interface(), there.Interface()):
			waits = append(waits, s.Key)
		}
	}
	c.Site, c.Sites = next.Site, next.Sites
	return waits
}

// Settings are those that flags and the environment know, in the order of the help.
func Settings() []Setting { return settingsOf(reflect.TypeFor[Config](), nil) }

func settingsOf(t reflect.Type, at []int) (list []Setting) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(at[:len(at):len(at)], i)
		if f.Anonymous { // the Site
			list = append(list, settingsOf(f.Type, index)...)
			continue
		}
		s := Setting{Key: f.Tag.Get("toml"), Arg: f.Tag.Get("arg"), Bare: f.Tag.Get("bare"), Doc: f.Tag.Get("doc"), index: index}
		s.Reload = f.Tag.Get("reload") != "" || len(at) > 0 // all that is a site's
		if s.Arg == "bool" {
			s.Bare = "true"
		}
		if words := f.Tag.Get("one"); words != "" {
			s.Of = strings.Split(words, ",")
		}
		switch flag := f.Tag.Get("flag"); {
		case flag == "yes":
			s.Flag = true
		case flag != "":
			s.Flag, s.Letter = true, flag
		case f.Tag.Get("env") == "":
			continue
		}
		list = append(list, s)
	}
	return list
}

// Key describes a key of a file.
type Key struct{ Path, Doc string }

// Keys are all that a file may hold, for its manual and for suggestions.
func Keys() []Key { return keysOf(reflect.TypeFor[Config](), "") }

func keysOf(t reflect.Type, prefix string) (list []Key) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			list = append(list, keysOf(f.Type, prefix)...)
			continue
		}
		path := prefix + f.Tag.Get("toml")
		if doc := f.Tag.Get("doc"); doc != "" {
			list = append(list, Key{path, doc})
			continue
		}
		inner := f.Type.Elem()
		list = append(list, keysOf(inner, path+".")...)
	}
	return list
}
