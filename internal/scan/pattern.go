package scan

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"

	"exactmatch.dev/operator/internal/fingerprint"
)

// pattern is a regular expression that the values of a column match whole, in their
// normal form. No value is shorter or longer than its lengths in bytes.
type pattern struct {
	*regexp.Regexp
	least, most int
}

// manyBytes is the length of what a pattern does not bound.
const manyBytes = 1 << 20

// readPatterns compiles the patterns of columns.
func (s *Scanner) readPatterns() error {
	s.patterns = make([]*pattern, len(s.table.columns))
	for _, name := range slices.Sorted(maps.Keys(s.o.Patterns)) {
		c, err := s.table.columnNamed("--pattern", name)
		if err != nil {
			return err
		}
		if s.patterns[c], err = patternOf(name, s.o.Patterns[name], s.table.columns[c].hasher); err != nil {
			return err
		}
	}
	return nil
}

// patternOf compiles a pattern. One that no normal form can match is an error: every
// text would be clean.
func patternOf(column, text string, h *fingerprint.Hasher) (*pattern, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("--pattern: that of the column %q is not a regular expression in RE2 syntax", column)
	}
	if !possible(tree, h) {
		return nil, fmt.Errorf("--pattern: no value of the column %q can match: give the pattern of its values without the characters that the column ignores, and in lower case where its letter case does not count", column)
	}
	compiled, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("--pattern: that of the column %q is too long", column)
	}
	p := &pattern{Regexp: compiled}
	p.least, p.most = lengths(tree)
	return p, nil
}

// matches reports whether a normal form may be a value of the column.
func (p *pattern) matches(normal []byte) bool {
	return len(normal) >= p.least && len(normal) <= p.most && p.Match(normal)
}

// possible reports whether a text in normal form can match, as far as the characters
// that the pattern names decide it.
func possible(tree *syntax.Regexp, h *fingerprint.Hasher) bool {
	switch tree.Op {
	case syntax.OpNoMatch:
		return false
	case syntax.OpLiteral:
		return tree.Flags&syntax.FoldCase != 0 || !slices.ContainsFunc(tree.Rune, func(r rune) bool { return !h.Stands(r) })
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		return !slices.ContainsFunc(tree.Sub, func(sub *syntax.Regexp) bool { return !possible(sub, h) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(tree.Sub, func(sub *syntax.Regexp) bool { return possible(sub, h) })
	case syntax.OpRepeat:
		return tree.Min == 0 || possible(tree.Sub[0], h)
	case syntax.OpCharClass:
		return !isSmall(tree.Rune) || slices.ContainsFunc(runesOf(tree.Rune), h.Stands)
	}
	return true
}

// smallClass is how many characters of a class are looked at one by one.
const smallClass = 64

func isSmall(class []rune) bool {
	size := 0
	for i := 0; i < len(class); i += 2 {
		size += int(class[i+1]-class[i]) + 1
	}
	return size <= smallClass
}

// runesOf are the characters of a class.
func runesOf(class []rune) (out []rune) {
	for i := 0; i < len(class); i += 2 {
		for r := class[i]; r <= class[i+1]; r++ {
			out = append(out, r)
		}
	}
	return out
}

// lengths bound how many bytes a match has.
func lengths(tree *syntax.Regexp) (least, most int) {
	switch tree.Op {
	case syntax.OpLiteral:
		return len(tree.Rune), utf8Max * len(tree.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, utf8Max
	case syntax.OpCapture:
		return lengths(tree.Sub[0])
	case syntax.OpConcat:
		for _, sub := range tree.Sub {
			a, b := lengths(sub)
			least, most = min(least+a, manyBytes), min(most+b, manyBytes)
		}
		return least, most
	case syntax.OpAlternate:
		least, most = lengths(tree.Sub[0])
		for _, sub := range tree.Sub[1:] {
			a, b := lengths(sub)
			least, most = min(least, a), max(most, b)
		}
		return least, most
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return repeated(tree)
	}
	return 0, 0 // what has no width
}

// repeated bounds how many bytes repetitions have.
func repeated(tree *syntax.Regexp) (least, most int) {
	from, to := 0, manyBytes
	switch tree.Op {
	case syntax.OpPlus:
		from = 1
	case syntax.OpQuest:
		to = 1
	case syntax.OpRepeat:
		if from = tree.Min; tree.Max >= 0 {
			to = tree.Max
		}
	}
	a, b := lengths(tree.Sub[0])
	return min(from*a, manyBytes), min(to*b, manyBytes)
}

// mayBe are the candidates that may be values of a column.
func (s *Scanner) mayBe(c int, text []byte, all []candidate) []candidate {
	if s.words[c] >= s.most && s.patterns[c] == nil {
		return all
	}
	s.fewer = s.fewer[:0]
	for i := range all {
		if s.may(c, text, &all[i]) {
			s.fewer = append(s.fewer, all[i])
		}
	}
	return s.fewer
}

// may reports whether a candidate may be a value of a column.
func (s *Scanner) may(c int, text []byte, one *candidate) bool {
	if one.words() > s.words[c] {
		return false
	}
	p := s.patterns[c]
	if p == nil {
		return true
	}
	s.normal = s.table.columns[c].hasher.AppendNormal(s.normal[:0], text[one.Start:one.End])
	return p.matches(s.normal)
}
