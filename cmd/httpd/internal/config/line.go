package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// KeyError is a mistake that only shows when all is read: a pattern that conflicts with another, a folder that is missing.
type KeyError struct {
	Path  string // "site.redirect.to"
	Index []int  // which of the tables on the way: one for each array, counted from 0
	Err   error
}

func (e *KeyError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *KeyError) Unwrap() error { return e.Err }

// Within puts an error below an element of an array.
func Within(name string, i int, err error) error {
	if err == nil {
		return nil
	}
	k, ok := errors.AsType[*KeyError](err)
	if !ok {
		return &KeyError{name, []int{i}, err}
	}
	return &KeyError{name + "." + k.Path, append([]int{i}, k.Index...), k.Err}
}

// At says that a key is wrong.
func At(key string, err error) error {
	if err == nil {
		return nil
	}
	return &KeyError{Path: key, Err: err}
}

// Locate tells the file and line of a mistake that showed after Load, as far as it has a key.
func (s *Source) Locate(err error) error {
	text, readErr := os.ReadFile(s.File)
	if s.File == "" || readErr != nil {
		return err
	}
	return located(s.File, text, err)
}

func located(file string, text []byte, err error) error {
	k, ok := errors.AsType[*KeyError](err)
	if !ok || file == "" {
		return err
	}
	return &Error{file, lineOf(text, k.Path, k.Index), k.Path, k.Err}
}

// lineOf finds the line of a key; that of its table where the key is not there, and 0 where that is not either. Which of the
// tables in an array is meant, index says; nil is the first that has the key. The library that reads the file does not tell.
func lineOf(text []byte, path string, index []int) int {
	seen := map[string]int{} // how many tables of each array have come
	table, line := "", 0
	for i, l := range strings.Split(string(text), "\n") {
		l = strings.TrimSpace(l)
		if name, ok := strings.CutPrefix(l, "["); ok {
			name, isArray := strings.CutPrefix(name, "[")
			name = strings.TrimSpace(name[:max(strings.IndexByte(name, ']'), 0)])
			if table = name; isArray {
				seen[name]++
				for other := range seen {
					if strings.HasPrefix(other, name+".") {
						delete(seen, other)
					}
				}
			}
			if strings.HasPrefix(path, table) && (len(path) == len(table) || path[len(table)] == '.') && at(seen, table, index) {
				line = i + 1
			}
			continue
		}
		key, _, ok := strings.Cut(l, "=")
		if !ok {
			continue
		}
		key = strings.Trim(strings.TrimSpace(key), `"'`)
		if table != "" {
			key = table + "." + key
		}
		if (key == path || strings.HasPrefix(path, key+".")) && at(seen, table, index) {
			return i + 1
		}
	}
	return line
}

// at says whether table is the one that index means.
func at(seen map[string]int, table string, index []int) bool {
	if index == nil {
		return true
	}
	var counts []int
	parts := strings.Split(table, ".")
	for i := range parts {
		if n, ok := seen[strings.Join(parts[:i+1], ".")]; ok {
			counts = append(counts, n-1)
		}
	}
	return slices.Equal(counts, index[:min(len(counts), len(index))])
}

// braces are the names between braces in a target, in their order.
func braces(to string) (names []string, err error) {
	for rest := to; ; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			return names, nil
		}
		end := strings.IndexByte(rest[open:], '}')
		if end < 0 {
			return nil, fmt.Errorf("%q: a brace that is not closed", to)
		}
		names = append(names, rest[open+1:open+end])
		rest = rest[open+end+1:]
	}
}
