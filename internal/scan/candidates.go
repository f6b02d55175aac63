package scan

import (
	"unicode/utf16"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/simd"
)

const (
	// maxValue is the longest text of a value, in bytes of UTF-8.
	maxValue = 1024
	// maxEdge is how many characters of punctuation right before and right behind
	// its words may belong to a value: "(555) 0134", "Acme Inc.", "C++".
	maxEdge = 3
)

// candidate is a part of the text that may be a value: whole words, from first up
// to last, what stands between them, and punctuation at its edges.
type candidate struct {
	simd.Span           // of the bytes in memory
	first, last   int   // words
	char, charEnd int64 // of the words
}

// edges are the places where a value may begin or end that begins or ends with a
// word: at the word, and at the punctuation right beside it.
type edges struct {
	at [1 + maxEdge]uint32
	n  int
}

func (e *edges) add(at int) {
	e.at[e.n] = uint32(at)
	e.n++
}

func (e *edges) all() []uint32 { return e.at[:e.n] }

// candidates appends all candidates that begin with the words from up to and
// without to, of at most most words. Those of the same words come together, the
// shortest first.
func (t *text) candidates(dst []candidate, from, to, most int) []candidate {
	ends := make([]edges, min(to+most-1, len(t.words))-from)
	for i := range ends {
		ends[i] = t.behind(from + i)
	}
	for first := from; first < to; first++ {
		starts := t.before(first)
		for last := first; last < min(first+most, len(t.words)); last++ {
			if t.words[last].end-t.words[first].start > maxValue {
				break
			}
			dst = t.spans(dst, first, last, starts, ends[last-from])
		}
	}
	return dst
}

// spans appends the candidates of the same words.
func (t *text) spans(dst []candidate, first, last int, starts, ends edges) []candidate {
	c := candidate{first: first, last: last, char: t.words[first].char, charEnd: t.words[last].last}
	for _, start := range starts.all() {
		for _, end := range ends.all() {
			if c.Span = (simd.Span{Start: start, End: end}); end-start <= maxValue {
				dst = append(dst, c)
			}
		}
	}
	return dst
}

func (t *text) before(i int) (e edges) {
	at := int(t.words[i].start - t.base)
	e.add(at)
	for at > 0 && e.n <= maxEdge {
		r, size := utf8.DecodeLastRune(t.bytes[:at])
		if kindOf(r) != mark {
			break
		}
		at -= size
		e.add(at)
	}
	return e
}

func (t *text) behind(i int) (e edges) {
	at := int(t.words[i].end - t.base)
	e.add(at)
	for at < len(t.bytes) && e.n <= maxEdge {
		r, size := utf8.DecodeRune(t.bytes[at:])
		if kindOf(r) != mark {
			break
		}
		at += size
		e.add(at)
	}
	return e
}

// around are the words that candidates begin with which have at most within
// characters between their words and those of c, and some more.
func (t *text) around(c candidate, most int, within int64) (lo, hi int) {
	lo, hi = c.first, c.last+1
	for lo > 0 && c.char-t.words[lo-1].last <= within {
		lo--
	}
	for hi < len(t.words) && t.words[hi].char-c.charEnd <= within {
		hi++
	}
	return max(0, lo-most+1), hi
}

func (c candidate) words() int { return c.last - c.first + 1 }

func overlap(a, b candidate) bool { return a.Start < b.End && b.Start < a.End }

// gap is how many characters lie between the words of two candidates.
func gap(a, b candidate) int64 { return max(a.char-b.charEnd, b.char-a.charEnd) }

// place is where something stands: bytes of the text, and bytes and lines of the
// file. Ends are behind it, but for the last line.
type place struct {
	start, end     int64
	raw, rawEnd    int64
	line, lastLine int
}

// place finds a candidate in the file.
func (t *text) place(c candidate) place {
	a, b := &t.words[c.first], &t.words[c.last]
	return place{
		start: t.base + int64(c.Start), end: t.base + int64(c.End),
		raw:    a.raw - t.size(t.bytes[c.Start:a.start-t.base]),
		rawEnd: b.raw + t.size(t.bytes[b.start-t.base:c.End]),
		line:   a.line, lastLine: b.line,
	}
}

// size is how many bytes of the file a part of the text takes.
func (t *text) size(part []byte) int64 {
	if !t.wide {
		return int64(len(part))
	}
	units := 0
	for _, r := range string(part) {
		units += utf16.RuneLen(r)
	}
	return int64(2 * units)
}

// join is the place from the start of the one to the end of the other.
func (p place) join(o place) place {
	return place{
		min(p.start, o.start), max(p.end, o.end), min(p.raw, o.raw), max(p.rawEnd, o.rawEnd),
		min(p.line, o.line), max(p.lastLine, o.lastLine),
	}
}
