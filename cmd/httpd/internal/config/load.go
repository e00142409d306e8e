package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// Source is where the settings of a process come from. Load may be called again, to read a file anew.
type Source struct {
	File   string              // path of the file, "" for none
	Env    func(string) string // os.Getenv
	Given  map[string][]string // by flags: keys and texts
	Folder string              // as the argument, "" without
}

// Load reads everything and checks it. Errors say where: *Error for what the file says.
func (s *Source) Load() (*Config, error) {
	c := Default()
	var text []byte
	if s.File != "" {
		var err error
		if text, err = os.ReadFile(s.File); err != nil {
			return nil, fmt.Errorf("cannot read the config: %w", err)
		}
		if err := decode(s.File, text, c); err != nil {
			return nil, err
		}
	}
	for _, setting := range Settings() {
		if v := s.Env(setting.EnvName()); v != "" {
			if err := apply(setting.In(c), v); err != nil {
				return nil, fmt.Errorf("%s: %w", setting.EnvName(), err)
			}
		}
		if texts, ok := s.Given[setting.Key]; ok {
			value := setting.In(c)
			value.Reset()
			for _, t := range texts {
				if err := value.Set(t); err != nil {
					return nil, fmt.Errorf("--%s: %w", setting.FlagName(), err)
				}
			}
		}
	}
	if s.Folder != "" {
		c.Root = Text(s.Folder)
	}
	if c.Root == "" && len(c.Sites) == 0 && len(c.Proxies) == 0 && len(c.Redirects) == 0 {
		c.Root = "."
	}
	if len(c.Listen) == 0 {
		c.Listen = c.listenDefault()
	}
	if err := c.check(); err != nil {
		return nil, located(s.File, text, err)
	}
	return c, nil
}

// apply sets a value from a variable of the environment, where commas stand between the elements of a list.
func apply(v Value, text string) error {
	v.Reset()
	if _, ok := v.(list); !ok {
		return v.Set(text)
	}
	for e := range strings.SplitSeq(text, ",") {
		if err := v.Set(strings.TrimSpace(e)); err != nil {
			return err
		}
	}
	return nil
}

// Error is a mistake in a file.
type Error struct {
	File string
	Line int    // 0 where it is not known
	Key  string // "site.redirect.code"; "" for what is no TOML
	Err  error
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

func decode(file string, text []byte, c *Config) error {
	md, err := toml.Decode(string(text), c)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return tomlError(file, parse)
	}
	if err != nil {
		return &Error{File: file, Err: err}
	}
	base := filepath.Dir(file)
	for i := range c.Sites {
		relativeTo(base, &c.Sites[i])
	}
	relativeTo(base, &c.Site)
	relative(base, &c.TLSClientCA, &c.ACMECA, &c.ACMECache)
	unknown := md.Undecoded()
	if len(unknown) == 0 {
		return nil
	}
	path := unknown[0].String()
	err = errors.New("there is no such key")
	if guess := closest(path); guess != "" {
		err = fmt.Errorf("there is no such key: did you mean %s?", guess)
	}
	return &Error{file, lineOf(text, path, nil), path, err}
}

// relativeTo makes the paths of a file relative to it, so that it means the same wherever httpd was started.
func relativeTo(base string, s *Site) {
	relative(base, &s.Root, &s.TLSCert, &s.TLSKey)
	for i := range s.Auth {
		relative(base, &s.Auth[i].File)
	}
	for i := range s.Proxies {
		relative(base, &s.Proxies[i].CA)
	}
}

func relative(base string, paths ...*Text) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(string(*p)) {
			*p = Text(filepath.Join(base, string(*p)))
		}
	}
}

func tomlError(file string, e toml.ParseError) error {
	text := e.Message
	if text == "" && errors.Unwrap(e) != nil {
		text = errors.Unwrap(e).Error()
	}
	if text == "" {
		text = e.Error()
	}
	key := e.LastKey
	if !isKey(key) {
		key = ""
	}
	return &Error{file, e.Position.Line, key, errors.New(text)}
}

func isKey(path string) bool {
	for _, k := range Keys() {
		if k.Path == path {
			return true
		}
	}
	return false
}

// closest is the key that is most like path, "" where none is.
func closest(path string) string {
	best, least := "", 4
	name := path[strings.LastIndexByte(path, '.')+1:]
	for _, k := range Keys() {
		d := distance(path, k.Path)
		if k.Path[strings.LastIndexByte(k.Path, '.')+1:] == name {
			d = min(d, 3) // the right name in the wrong table
		}
		if d < least {
			best, least = k.Path, d
		}
	}
	return best
}

// distance is that of Levenshtein.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
