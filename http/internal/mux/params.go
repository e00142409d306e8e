package mux

// A Span is a part of the path that was given to Match: path[Off:End].
type Span struct{ Off, End uint32 }

// Of returns the span's bytes; they are those of path, not a copy.
func (s Span) Of(path []byte) []byte { return path[s.Off:s.End] }

// inlineParams is how many captures a Params holds without memory of its own.
const inlineParams = 8

// Params receives what the wildcards of a matched pattern captured. The zero value is ready; keep one and hand it to Match
// again and again. It belongs to one goroutine at a time, and refers to the path by offsets only, so that it keeps nothing
// alive and stays right when the path's bytes move.
type Params struct {
	n    int
	few  [inlineParams]Span
	more []Span // those beyond, kept for the next Match
}

// Len returns the number of captures of the last Match: one for each of the pattern's names, 0 when nothing matched.
func (p *Params) Len() int { return p.n }

// At returns the capture of the wildcard at Pattern.Index i, 0 <= i < Len.
func (p *Params) At(i int) Span {
	switch {
	case i < 0 || i >= p.n:
		panic("mux: no such capture")
	case i < inlineParams:
		return p.few[i]
	}
	return p.more[i-inlineParams]
}

// reset empties p and makes room for most captures.
func (p *Params) reset(most int) {
	p.n = 0
	if extra := most - inlineParams; extra > len(p.more) {
		p.more = make([]Span, extra)
	}
}

// set notes the i-th capture, for which reset made room. Len does not count it yet: the walk may still turn back.
func (p *Params) set(i, off, end int) {
	s := Span{uint32(off), uint32(end)}
	if i < inlineParams {
		p.few[i] = s
		return
	}
	p.more[i-inlineParams] = s
}
