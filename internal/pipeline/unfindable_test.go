package pipeline

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// judge is the quality of one cell in a column that ignores delimiters.
func judge(cell string, ignored ...string) ColumnQuality {
	q := qualitiesOf([]schema.Column{{IgnoredDelimiters: ignored}})
	q[0].add(spansOf([]string{cell}))
	return q[0].result("c")
}

// kindOf is the kind of an unfindable cell, -1 where it is none.
func kindOf(cell string, ignored ...string) UnfindableKind {
	for kind, n := range judge(cell, ignored...).Unfindable {
		if n > 0 {
			return UnfindableKind(kind)
		}
	}
	return -1
}

func TestUnfindableCells(t *testing.T) {
	const none = UnfindableKind(-1)
	for _, tc := range []struct {
		cell string
		want UnfindableKind
	}{
		{"880000003", none}, {"K-00003", none}, {"Person 3", none}, {"", none}, {" \t\u00a0\n", none}, {"x", none}, {"7", none},

		{"880000003\u200b", InvisibleCharacters}, {"\u200ePerson 3", InvisibleCharacters}, {"\ufeffK-00003", InvisibleCharacters},
		{"880000003\x00\x00\x00", InvisibleCharacters}, {"a\x1bb", InvisibleCharacters}, {"\x7f", InvisibleCharacters}, {"\u200b", InvisibleCharacters},
		{"D\u0092Angelo", InvisibleCharacters}, {"Donau\u00addampfer", InvisibleCharacters}, {"a\u2060b", InvisibleCharacters},
		{"\u202a+49 30 123456\u202c", InvisibleCharacters}, {"\u2066880000003\u2069", InvisibleCharacters},
		{"a\tb", none}, {"a\u0085b", none}, {"a\u00a0b", none}, {"a\vb\fc", none}, {"two\nlines", none}, {"two\r\nlines", none}, {"\u3000a\u2003b", none},
		{"نمی\u200cخواهم", none}, {"क्\u200dष", none}, {"\u200fשלום", none}, {"محمد\u200e 12", none}, {"\u2067עמיר\u2069", none}, {"ភាសា\u200bខ្មែរ", none},
		{"👩\u200d⚕\ufe0f", none}, {"❤\ufe0f\u200d🔥", none}, {"👩🏽\u200d🚀", none}, {"🙂\u200d↔\ufe0f", none},
		{"ab\u200dcd", InvisibleCharacters}, {"👩\u200d", InvisibleCharacters}, {"\u200d👩", InvisibleCharacters}, {"12\u200f", InvisibleCharacters}, {"$\u200d+", InvisibleCharacters},
		{"محمد\u200b", InvisibleCharacters}, {"שלום\u200c", InvisibleCharacters}, {"ภาษา\u200e", InvisibleCharacters}, {"नमस्ते\u200e", InvisibleCharacters},

		{"M\ufffdller", LostCharacters}, {"\ufffd", LostCharacters}, {"M\ufffdller\u200b", LostCharacters},

		{`="880000003"`, SpreadsheetGuards}, {` ="880000003" `, SpreadsheetGuards}, {`=""`, SpreadsheetGuards}, {"\u00a0=\"1\"", SpreadsheetGuards}, {`="Müller"`, SpreadsheetGuards},
		{"'00123", SpreadsheetGuards}, {"'+4930000003", SpreadsheetGuards}, {"'=1+1", SpreadsheetGuards}, {"'-5", SpreadsheetGuards}, {"'@user", SpreadsheetGuards}, {"'1", SpreadsheetGuards},
		{"=", none}, {`="`, none}, {"=1+1", none}, {"'", none}, {"'s-Hertogenbosch", none}, {"'n Beetje", none}, {"O'Brien", none}, {`"quoted"`, none}, {`5'-3"`, none}, {"''", none},

		{"8.8E+08", ScientificNotation}, {"4.93E+10", ScientificNotation}, {"4,93E+10", ScientificNotation}, {"8e+8", ScientificNotation}, {"-1.5E+100", ScientificNotation},
		{" 8.8E+08 ", ScientificNotation}, {"8.8E+08 ", ScientificNotation}, {"8.8E+08     ", ScientificNotation}, {"8.80000003E8", ScientificNotation}, {"8.8E+08\u00a0", ScientificNotation},
		{"8.8E+0008", none}, {"8.8E+", none}, {"8.8E+0x", none}, {"E+08", none}, {".5E+08", none}, {"12E5", none}, {"12.5E8", none}, {"1E8", none}, {"1.5e8", none}, {"8.8E-08", none},
		{"8.8F+08", none}, {"8..8E+08", none}, {"030/123+45", none}, {"12345E1", none}, {"1.E8", none}, {"8.8E+08 kg", none}, {"5+5E", none},

		{"MÃ¼ller", Mojibake}, {"Jâ€™Ouvert", Mojibake}, {"StraÃ\u009fe", Mojibake}, {"StraÃŸe", Mojibake}, {"Â\u00a0880000003", Mojibake}, {"ï»¿880000003", Mojibake}, {"Ã–sterreich", Mojibake},
		{"MÃƒÂ¼ller", Mojibake}, {"Ð˜Ð²Ð°Ð½", Mojibake}, {"æ—¥æœ¬", Mojibake}, {"×“×’", Mojibake}, {"ðŸ˜€", Mojibake}, {`="MÃ¼ller"`, Mojibake},
		{"Ã", none}, {"Â", none}, {"IRMÃ", none}, {"ROMÂ’S", none}, {"Â…", none}, {"IRMÃ\u00a0ANA", none}, {"MAÇÃ", none}, {"MÃE", none}, {"SÃO JOÃO", none}, {"Â x", none}, {"MÃ¼ller Łódź", none}, {"Ã¼ü", none}, {"Größe", none}, {"ÀÉ", none},
	} {
		if got := kindOf(tc.cell); got != tc.want {
			t.Errorf("%+q is of kind %d, want %d", tc.cell, got, tc.want)
		}
	}
}

func TestIgnoredDelimitersDoNoHarm(t *testing.T) {
	const none = UnfindableKind(-1)
	for _, tc := range []struct {
		cell    string
		ignored []string
		want    UnfindableKind
	}{
		{"880000003\u200b", []string{"-", "\u200b"}, none},
		{"880000003\u200b\u2060", []string{"\u200b"}, InvisibleCharacters},
		{"880000003\x00\x00", []string{"\x00"}, none},
		{"M\ufffdller", []string{"\ufffd"}, none},
		{"M\ufffdller\u200b", []string{"\ufffd"}, InvisibleCharacters},
		{`="880000003"`, []string{"=", `"`}, none},
		{`="880000003"`, []string{"="}, SpreadsheetGuards},
		{`="880000003"`, []string{`"`}, SpreadsheetGuards},
		{`="8.8E+08"`, []string{"=", `"`}, ScientificNotation},
		{`'="880000003"`, []string{"'"}, SpreadsheetGuards},
		{`'="880000003"`, []string{"'", "=", `"`}, none},
		{"'+4930000003", []string{"'"}, none},
		{"'8.8E+08", []string{"'"}, ScientificNotation},
		{"8.8E+08", []string{"+", ".", "E"}, ScientificNotation}, // the digits are gone
		{"MÃ¼ller", []string{"Ã", "¼"}, Mojibake},                // so are the letters
	} {
		if got := kindOf(tc.cell, tc.ignored...); got != tc.want {
			t.Errorf("%+q without %+q is of kind %d, want %d", tc.cell, tc.ignored, got, tc.want)
		}
	}
}

// Every character that is to be added to ignoredDelimiters is one that a data
// store takes, with case ignored or not.
func TestInvisibleCharactersCanBeIgnored(t *testing.T) {
	found := 0
	for r := range unicode.MaxRune {
		if !isInvisible(r) && r != utf8.RuneError {
			continue
		}
		found++
		for _, fold := range []bool{false, true} {
			if err := fingerprint.CheckDelimiters(schema.Column{Name: "c", IsCaseInsensitive: fold, IgnoredDelimiters: []string{string(r)}}); err != nil {
				t.Error(err)
			}
		}
		if unicode.IsSpace(r) || unicode.IsGraphic(r) && r != utf8.RuneError {
			t.Errorf("U+%04X shows something", r)
		}
	}
	if want := 27 + 1 + 31 + 1 + 1 + 5 + 5 + 16 + 1; found != want {
		t.Errorf("%d characters are invisible, want %d", found, want)
	}
}

func TestLineBreaks(t *testing.T) {
	for cell, want := range map[string]int64{
		"one": 0, "a\nb": 2, "a\rb": 2, "a\r\nb": 2, "a\r\rb": 3, "a\n\rb": 3, "a\n": 2, "a\n\nb\nc": 4, "Müller\nMeier": 2, "\n \n": 0, "a\vb": 0, "a\u2028b": 0,
	} {
		got := judge(cell)
		if got.MostLines != want || got.LineBreaks != min(want, 1) {
			t.Errorf("%q has %d lines in %d cells, want %d", cell, got.MostLines, got.LineBreaks, want)
		}
	}
	q := gather([]string{"a\nb", "c", "d\ne\nf", "g\nh"}).result("c")
	if q.LineBreaks != 3 || q.MostLines != 3 {
		t.Errorf("got %+v", q)
	}
}

var (
	// misreadPair is what makes mojibake possible at all.
	misreadPair  = regexp.MustCompile(`[\x{c2}-\x{f4}][\x{80}-\x{bf}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]`)
	guardedStart = regexp.MustCompile(`^[\s\pZ]*'[0-9=+\-@]`)
	exponent     = regexp.MustCompile(`E[0-9]{1,3}[\s\pZ]*$`)
)

// ordinary is text of letters, marks, digits, spaces and punctuation of any script.
var ordinary = rapid.StringOf(rapid.OneOf(
	rapid.RuneFrom(nil, unicode.L, unicode.M, unicode.Nd, unicode.Zs, unicode.P),
	rapid.RuneFrom(nil, unicode.Latin, unicode.ASCII_Hex_Digit, unicode.Zs, unicode.Po),
	rapid.RuneFrom([]rune("abcdefgXYZ0123456789 -.,'/@äöüßéèñçÉ")),
)).Filter(func(s string) bool {
	return !misreadPair.MatchString(s) && !guardedStart.MatchString(s) && !exponent.MatchString(s)
})

func TestOrdinaryTextIsFindable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := ordinary.Draw(t, "cell")
		if q := judge(cell); q.Unfindable.Total() != 0 || q.LineBreaks != 0 {
			t.Fatalf("%+q: %+v", cell, q)
		}
	})
}

// A character that no one types makes any cell unfindable, wherever it stands,
// unless its column ignores it.
func TestInsertedCharactersAreFound(t *testing.T) {
	var invisible []rune
	for r := range unicode.MaxRune {
		if isInvisible(r) || r == utf8.RuneError {
			invisible = append(invisible, r)
		}
	}
	plain := rapid.StringOf(rapid.OneOf(rapid.RuneFrom(nil, unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Han), rapid.RuneFrom([]rune("abcXYZ0123456789 -.'")))).
		Filter(func(s string) bool { return !strings.ContainsFunc(s, isPictograph) })
	rapid.Check(t, func(t *rapid.T) {
		before, after := plain.Draw(t, "before"), plain.Draw(t, "after")
		r := rapid.SampledFrom(invisible).Draw(t, "inserted")
		cell := before + string(r) + after
		if judge(cell).Unfindable.Total() != 1 {
			t.Fatalf("%+q is findable", cell)
		}
		if kind := kindOf(cell, "-", string(r)); kind == InvisibleCharacters || kind == LostCharacters {
			t.Fatalf("%+q is unfindable where U+%04X is ignored", cell, r)
		}
	})
}

// plainly takes the quick look at a cell, whatever stands before and behind it.
func plainly(t interface{ Fatalf(string, ...any) }, cell string) bool {
	alone := isPlain([]byte(cell), simd.Span{End: uint32(len(cell))})
	const around = "\x00é\n"
	within := isPlain([]byte(around+cell+strings.Repeat(around, 10)), simd.Span{Start: uint32(len(around)), End: uint32(len(around) + len(cell))})
	if alone != within {
		t.Fatalf("%+q is plain alone (%t) or within a text (%t), not both", cell, alone, within)
	}
	return alone
}

// The quick look misses nothing, wherever it stands in a cell of whatever length.
func TestPlainCellsHaveNothing(t *testing.T) {
	odd := []string{"\n", "\r", "\x00", "\x1f", "\x7f", "é", "\u200b", "\ufffd", "😀"}
	for length := range 40 {
		text := strings.Repeat("x", length)
		if plain := plainly(t, text); plain != (length >= 4) {
			t.Fatalf("%d letters are plain: %t", length, plain)
		}
		for at := range length + 1 {
			for _, one := range odd {
				if cell := text[:at] + one + text[at:]; plainly(t, cell) {
					t.Fatalf("%+q is plain", cell)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.OneOf(rapid.StringMatching(`[ '=]?[-+]?[0-9]{0,4}[.,]?[0-9]{0,9}[Ee]?[+-]?[0-9]{0,4} ?`), rapid.StringMatching(`[ -~]{0,20}`)).Draw(t, "cell")
		if _, found := new(columnQuality).unfindable([]byte(cell+" "), 0); found && plainly(t, cell) {
			t.Fatalf("%q is plain", cell)
		}
	})
}

func TestLatinCellsHaveNoSign(t *testing.T) {
	latin := 0
	rapid.Check(t, func(t *rapid.T) {
		cell := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "Z ", "é", "Ã", "ÿ", "\u00a9", "\u00c2", "\u0161", "\u201c", "\n", "\x7f", "\u00ad", "ж", "😀"}), 0, 5).Draw(t, "pieces"), "")
		if !isLatin([]byte(cell)) {
			return
		}
		latin++
		if s := signsOf([]byte(cell)); s != 0 {
			t.Fatalf("%+q has the signs %b", cell, s)
		}
	})
	if latin == 0 || !isLatin([]byte("Zoë Müller")) || isLatin([]byte("MÃ¼ller")) {
		t.Errorf("%d cells were Latin", latin)
	}
}

func TestEveryByteThatShowsIsLookedAt(t *testing.T) {
	for r := range unicode.MaxRune {
		want := isInvisible(r) || r == utf8.RuneError || r == '\n' || r == '\r'
		if utf8.ValidRune(r) && (signsOf([]byte(string(r))) != 0) != want {
			t.Errorf("U+%04X is looked at: %t", r, !want)
		}
	}
}

func BenchmarkUnfindable(b *testing.B) {
	for name, cell := range map[string]string{
		"word": "Springfield", "digits": "123-45-6789", "mail": "p123456@example.com", "latin": "Kurt Gödel", "cyrillic": "Анна Каренина", "invisible": "880000003\u200b", "mojibake": "MÃ¼ller",
	} {
		b.Run(name, func(b *testing.B) {
			q, text, all := columnQuality{}, []byte(cell), simd.Span{End: uint32(len(cell))}
			for b.Loop() {
				if !isPlain(text, all) {
					q.look(text)
				}
			}
		})
	}
}
