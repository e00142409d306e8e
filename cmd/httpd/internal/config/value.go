package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/proxy"
)

// Value is a setting: it reads itself from text, and says what would be right where it cannot. Lists grow by Set.
type Value interface {
	Set(text string) error
	Reset()
	String() string
}

// fromTOML sets v from a value of a file.
func fromTOML(v Value, data any) error {
	v.Reset()
	switch data := data.(type) {
	case []any:
		if _, ok := v.(list); !ok {
			return fmt.Errorf("one value is wanted, not a list")
		}
		for _, e := range data {
			s, ok := e.(string)
			if n, isNumber := e.(int64); isNumber {
				_, ok = v.(*Codes)
				s = fmt.Sprint(n)
			}
			if !ok {
				return fmt.Errorf("%v is no text: write it in quotes", e)
			}
			if err := v.Set(s); err != nil {
				return err
			}
		}
		return nil
	case string, bool, int64:
		return v.Set(fmt.Sprint(data))
	}
	return fmt.Errorf("%v cannot be a value here", data)
}

// list marks values that several may be given of.
type list interface{ isList() }

// Text is any text without control bytes.
type Text string

// Set implements Value.
func (t *Text) Set(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q has control characters", s)
	}
	*t = Text(s)
	return nil
}

// Bool is true or false; whether it was given counts as well.
type Bool struct{ Value, Given bool }

// Set implements Value.
func (b *Bool) Set(s string) error {
	switch s {
	case "true":
		*b = Bool{true, true}
	case "false":
		*b = Bool{false, true}
	default:
		return fmt.Errorf("%q: want true or false", s)
	}
	return nil
}

// Or is the value, or otherwise where none was given.
func (b Bool) Or(otherwise bool) bool {
	if b.Given {
		return b.Value
	}
	return otherwise
}

// Choice is one of some words.
type Choice struct {
	Value string
	Of    []string
}

// Set implements Value.
func (c *Choice) Set(s string) error {
	if !slices.Contains(c.Of, s) {
		return fmt.Errorf("%q: want %s", s, OneOf(c.Of))
	}
	c.Value = s
	return nil
}

// OneOf joins names for a sentence: "a, b or c".
func OneOf(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Duration is zero or above, as Go writes it.
type Duration time.Duration

// Set implements Value.
func (d *Duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no duration: want one such as 10s, 1m30s or 500ms", s)
	case v < 0:
		return fmt.Errorf("%s is below zero", s)
	}
	*d = Duration(v)
	return nil
}

// Number is a whole number, not below zero.
type Number int

// Set implements Value.
func (n *Number) Set(s string) error {
	v, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is no whole number from 0 on", s)
	}
	*n = Number(v)
	return nil
}

// Size is a number of bytes.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

// Set implements Value.
func (z *Size) Set(s string) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			break
		}
		*z = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size: want a number of bytes, or one such as 10MiB", s)
}

// Code is the status of a redirect.
type Code int

// Set implements Value.
func (c *Code) Set(s string) error {
	switch s {
	case "301", "302", "303", "307", "308":
		n, err := strconv.Atoi(s)
		*c = Code(n)
		return err
	}
	return fmt.Errorf("%s is no redirect: want 301, 302, 303, 307 or 308", s)
}

// Pattern is one of the router: [METHOD ][HOST]/[PATH].
type Pattern string

// Set implements Value.
func (p *Pattern) Set(s string) error {
	if _, err := http.PatternNames(s); err != nil {
		return err
	}
	*p = Pattern(s)
	return nil
}

// Names are texts that are not empty.
type Names []string

// Set implements Value.
func (n *Names) Set(s string) error {
	var t Text
	if s == "" {
		return errors.New("an empty name")
	}
	if err := t.Set(s); err != nil {
		return err
	}
	*n = append(*n, s)
	return nil
}

// Hosts are host names, or wildcards for all below one.
type Hosts []string

// Set implements Value.
func (h *Hosts) Set(s string) error {
	if err := http.NewSites(nil).Add(s, http.New()); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "http: "))
	}
	*h = append(*h, s)
	return nil
}

// Networks are prefixes of IP addresses.
type Networks []netip.Prefix

// Set implements Value.
func (n *Networks) Set(s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		ip, ipErr := netip.ParseAddr(s)
		if ipErr != nil {
			return fmt.Errorf("%q is no network: want one such as 10.0.0.0/8, or an address", s)
		}
		p = netip.PrefixFrom(ip, ip.BitLen())
	}
	if p.Addr().Is4In6() { // as which no peer is known
		if p.Bits() < 96 {
			return fmt.Errorf("%q is neither a network of IPv4 nor of IPv6", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	*n = append(*n, p.Masked())
	return nil
}

// Targets are upstreams.
type Targets []string

// Set implements Value.
func (t *Targets) Set(s string) error {
	if err := proxy.CheckTarget(s); err != nil {
		return errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "proxy: "), "reactor: "))
	}
	*t = append(*t, s)
	return nil
}

// Pairs are names and values.
type Pairs map[string]string

// Set implements Value; text is NAME=VALUE.
func (p *Pairs) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("%q: want NAME=VALUE", s)
	}
	if *p == nil {
		*p = Pairs{}
	}
	(*p)[name] = value
	return nil
}

func (p *Pairs) fromTable(data any) error {
	table, ok := data.(map[string]any)
	if !ok {
		return errors.New(`want names and values: { "Name" = "value" }`)
	}
	p.Reset()
	for name, v := range table {
		value, ok := v.(string)
		if !ok {
			return fmt.Errorf("%s: %v is no text: write it in quotes", name, v)
		}
		var t Text
		if err := errors.Join(t.Set(name), t.Set(value)); err != nil {
			return err
		}
		if *p == nil {
			*p = Pairs{}
		}
		(*p)[name] = value
	}
	return nil
}
