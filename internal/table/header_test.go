package table_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/table"
)

func header(text string, limits table.Limits) ([]string, error) {
	return table.NewReader(strings.NewReader(text), table.Format{}, limits).Header()
}

func TestHeader(t *testing.T) {
	got, err := header("\xEF\xBB\xBF Patient ID ,\"S\"\"SN\t\",x\r\n1,2,3\r\n", table.Limits{})
	if err != nil || !slices.Equal(got, []string{"Patient ID", `S"SN`, "x"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestHeaderThatIsNone(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       table.HeaderReason
		positions  []int
	}{
		{"empty", "", table.HeaderMissing, nil},
		{"mark only", "\xEF\xBB\xBF", table.HeaderMissing, nil},
		{"blank lines only", "\n\r\n\n", table.HeaderMissing, nil},
		{"wrong quotes", "a\"hush,b\n", table.HeaderMalformed, nil},
		{"too long", strings.Repeat("hush,", 100) + "\n", table.HeaderMalformed, nil},
		{"too many columns", "a,b,c,d,e,f,hush\n", table.TooManyColumns, []int{7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := header(tc.text, table.Limits{Columns: 6, RecordBytes: 200})
			var e *table.HeaderError
			if !errors.As(err, &e) || e.Reason != tc.want || !slices.Equal(e.Positions, tc.positions) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "hush") || len(err.Error()) > 500 {
				t.Errorf("the message shows what was read: %v", err)
			}
		})
	}
}

func TestHeaderThatIsNotText(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"UTF-16LE without a mark": {string(utf16Of(binary.LittleEndian, "a,b\r\n1,2\r\n")), "UTF-16"},
		"UTF-16BE without a mark": {string(utf16Of(binary.BigEndian, "a,b\r\n1,2\r\n")), "UTF-16"},
		"binary":                  {"PK\x03\x04\x00\x00\"x\xff\n1,2\n", "binary"},
		"Windows-1252":            {"Gr\xf6\xdfe,b\n", "Windows-1252"},
		"old line ends":           {"a,b\r1,2\r", "LF"},
	} {
		_, err := header(tc.text, table.Limits{})
		var e *table.EncodingError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNULInARowIsData(t *testing.T) {
	r := table.NewReader(strings.NewReader("a\n1\x002\n"), table.Format{}, table.Limits{})
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	if got := short(rowsOf(t, r)); got != "1@2:1\x002" {
		t.Errorf("got %q", got)
	}
}

func TestMatchHeader(t *testing.T) {
	for _, tc := range []struct {
		name          string
		there, wanted []string
		want          []int
	}{
		{"in another order", []string{"Patient ID", " SSN", "Name"}, []string{"Name", "PatientID=Patient ID", "SSN "}, []int{2, 0, 1}},
		{"among columns without a name", []string{"", "ID", "", "Name", ""}, []string{"ID", "Name"}, []int{1, 3}},
		{"among names that nobody wants twice", []string{"Note", "ID", "Note"}, []string{"ID"}, []int{1}},
		{"one column for two", []string{"ID", "Name"}, []string{"ID", "Key=ID"}, []int{0, 0}},
		{"decomposed in the table", []string{"Pre\u0301nom"}, []string{"Pr\u00e9nom"}, []int{0}},
		{"decomposed in the store", []string{"Pr\u00e9nom"}, []string{"Prenom=Pre\u0301nom"}, []int{0}},
		{"with a line break", []string{"Account\nNo"}, []string{"Account=Account\nNo"}, []int{0}},
		{"with a no-break space around", []string{"\u00a0ID\u00a0"}, []string{"ID"}, []int{0}},
	} {
		got, err := table.MatchHeader(tc.there, columnsOf(tc.wanted...), table.Format{})
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.want)
		}
	}
}

// columnsOf are columns by "Name" or "Name=SourceName".
func columnsOf(names ...string) []schema.Column {
	var columns []schema.Column
	for _, name := range names {
		name, source, _ := strings.Cut(name, "=")
		columns = append(columns, schema.Column{Name: name, SourceName: source})
	}
	return columns
}

func TestWantedNameTwice(t *testing.T) {
	for _, tc := range []struct {
		name      string
		there     []string
		positions []int
	}{
		{"to the letter", []string{"hush", "ID", "Name", " ID ", "hush", "ID"}, []int{2, 4, 6}},
		{"composed and decomposed", []string{"ID", "Name", "Pr\u00e9nom", "Pre\u0301nom"}, []int{3, 4}},
	} {
		_, err := table.MatchHeader(tc.there, columnsOf("Name", tc.there[tc.positions[0]-1]), table.Format{})
		var e *table.HeaderError
		if !errors.As(err, &e) || e.Reason != table.DuplicateHeader || !slices.Equal(e.Positions, tc.positions) {
			t.Errorf("%s: %v", tc.name, err)
		} else if !strings.Contains(err.Error(), "at columns") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the message is %q", tc.name, err)
		}
	}
}

func TestMissingColumnsSayWhatToDo(t *testing.T) {
	tab, pipe := table.Format{Delimiter: '\t'}, table.Format{Delimiter: '|'}
	long := strings.Repeat("x", 100)
	for _, tc := range []struct {
		name          string
		there, wanted []string
		format        table.Format
		says          string
	}{
		{
			"some", []string{"Patient ID", "ssn", "hush"}, []string{"PatientID=Patient ID", "Mail", "Name"}, table.Format{},
			`the header of the table has no column "Mail", "Name"; the first line names 1 of 3 selected columns in 3 cells: correct the table, or sourceName of the data store's columns`,
		},
		{
			"all", []string{"hush"}, []string{"Mail", "Name"}, table.Format{},
			`the header of the table has no column "Mail", "Name"; the first line names 0 of 2 selected columns in 1 cell: check that it is the header, and format.delimiter`,
		},
		{
			"one", []string{"ID", "E-Mail"}, []string{"ID", "Mail"}, table.Format{},
			`the header of the table has no column "Mail"; correct the table, or sourceName of the data store's column; the header has "ID", "E-Mail"`,
		},
		{
			"a no-break space", []string{"hush", "Last\u00a0Name"}, []string{"Last Name", "ID"}, table.Format{},
			`the header of the table has no column "Last Name", "ID"; set sourceName of the data store's column to the name in the table, or correct the table: ` +
				`column 2 is "Last\u00a0Name", the data store wants "Last Name"`,
		},
		{"a zero-width space", []string{"I\u200bD"}, []string{"ID"}, table.Format{}, `column 1 is "I\u200bD", the data store wants "ID"`},
		{"a soft hyphen", []string{"Last\u00adname"}, []string{"Lastname"}, table.Format{}, `column 1 is "Last\u00adname", the`},
		{"a soft hyphen in the store", []string{"Lastname"}, []string{"Last\u00adname"}, table.Format{}, `column 1 is "Lastname", the data store wants "Last\u00adname"`},
		{"a mark within", []string{"ID", "\ufeffName"}, []string{"ID", "Name"}, table.Format{}, `column 2 is "\ufeffName", the data store wants "Name"`},
		{"a line break", []string{"Account\nNo"}, []string{"Account No"}, table.Format{}, `column 1 is "Account\nNo", the data store wants "Account No"`},
		{"two spaces", []string{"Last  Name"}, []string{"Last Name"}, table.Format{}, `column 1 is "Last  Name", the data store wants "Last Name"`},
		{"a ligature", []string{"\ufb01rst"}, []string{"first"}, table.Format{}, `column 1 is "\ufb01rst", the data store wants "first"`},
		{"wide letters", []string{"\uff29D"}, []string{"ID"}, table.Format{}, `column 1 is "\uff29D", the data store wants "ID"`},
		{"a variation selector", []string{"ID\ufe0f"}, []string{"ID"}, table.Format{}, `column 1 is "ID\ufe0f", the data store wants "ID"`},
		{"a filler", []string{"ID\u115f"}, []string{"ID"}, table.Format{}, `column 1 is "ID\u115f", the data store wants "ID"`},
		{"letter case", []string{"hush", "ssn"}, []string{"SSN", "Mail"}, table.Format{}, `column 2 is "ssn", the data store wants "SSN"`},
		{"letter case beyond ASCII", []string{"gr\u00f6\u00dfe"}, []string{"Gr\u00f6\u00dfe"}, table.Format{}, `column 1 is "größe", the data store wants "Größe"`},
		{"late in a long name", []string{long + "a\u200bb"}, []string{long + "ab"}, table.Format{}, `column 1 is "…xxxxxxxxxxxxxxxxxxxa\u200bb", the data store wants "…xxxxxxxxxxxxxxxxxxxab"`},
		{
			"a second mark", []string{"\ufeffID"}, []string{"ID"}, table.Format{},
			`the header of the table has no column "ID"; the first name begins with a second byte order mark (U+FEFF): remove it from the table`,
		},
		{"a second mark before another name", []string{"\ufeffhush", "x"}, []string{"ID", "Name"}, table.Format{}, "second byte order mark"},
		{"tabs", []string{"ID\tMail"}, []string{"ID", "Mail"}, table.Format{}, `; set format.delimiter to "\t", with which`},
		{"tabs and a comma in a name", []string{"ID\tLast", "First\tMail"}, []string{"ID", "Mail"}, table.Format{}, `set format.delimiter to "\t"`},
		{"semicolons", []string{"ID;Mail"}, []string{"ID", "Mail"}, tab, `set format.delimiter to ";"`},
		{"pipes", []string{"ID|Mail"}, []string{"ID", "Mail"}, tab, `set format.delimiter to "|"`},
		{"commas", []string{"ID,Mail"}, []string{"ID", "Mail"}, pipe, `set format.delimiter to ","`},
		{"commas behind a second mark", []string{"\ufeffID,Mail"}, []string{"ID", "Mail"}, pipe, `set format.delimiter to ","`},
		{"whole lines quoted", []string{"ID,Mail"}, []string{"ID", "Mail"}, table.Format{}, "each line of the table is one quoted cell"},
		{
			"a title with a comma", []string{"hush, 2024"}, []string{"ID", "Mail"}, table.Format{},
			`the header of the table has no column "ID", "Mail"; the first line names 0 of 2 selected columns in 1 cell: check that it is the header, and format.delimiter`,
		},
		{"whole lines of quotes quoted", []string{`"ID","Mail","No"`}, []string{"ID", "Mail", "hush"}, table.Format{}, "each line of the table is one quoted cell"},
		{"whole lines of pipes quoted", []string{"ID|Mail"}, []string{"ID", "Mail"}, pipe, "each line of the table is one quoted cell"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := table.MatchHeader(tc.there, columnsOf(tc.wanted...), tc.format)
			var e *table.MissingColumnsError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.says) || len(err.Error()) > 500 {
				t.Fatalf("%v\ndoes not say\n%s", err, tc.says)
			}
			if strings.HasPrefix(tc.says, "the header") && err.Error() != tc.says {
				t.Errorf("%v is not\n%s", err, tc.says)
			}
			if slices.Contains(tc.there, "hush") && strings.Contains(err.Error(), "hush") {
				t.Errorf("%v shows a cell", err)
			}
		})
	}
}

func TestALaterLineNamesThem(t *testing.T) {
	_, err := table.MatchHeader([]string{"Report"}, columnsOf("ID", "Mail"), table.Format{})
	var e *table.MissingColumnsError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	e.NamesLine = 4
	if want := `the header of the table has no column "ID", "Mail"; line 4 names them: set format.skipLines to 3`; e.Error() != want {
		t.Errorf("got %s", e)
	}
}

func TestAFirstRowOfValuesIsNotShown(t *testing.T) {
	for _, there := range [][]string{
		{"hush", "078-05-1120"}, {"hush", "PatientID", "1120"}, {"patientid", "ssn", "hush", "1120"}, {"hush\t1120"}, {"\ufeffhush", "1120"},
		{"hush,1120"}, {"PatientID,hush,1120"}, {"hush;PatientID;1120"},
	} {
		_, err := table.MatchHeader(there, columnsOf("PatientID", "SSN", "Name"), table.Format{})
		var e *table.MissingColumnsError
		if !errors.As(err, &e) || len(e.Header) != 0 || e.Columns != len(there) {
			t.Errorf("%q: %+v", there, err)
		} else if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "1120") || !strings.Contains(err.Error(), `"SSN"`) {
			t.Errorf("%q: %v", there, err)
		}
	}
}

func TestMessagesAreBounded(t *testing.T) {
	there, wanted := []string{"a"}, []schema.Column{{Name: "a"}}
	for range 1000 {
		there = append(there, strings.Repeat("é", 90))
		wanted = append(wanted, schema.Column{Name: strings.Repeat("ü", 100)})
	}
	for _, w := range [][]schema.Column{wanted, wanted[:2]} {
		_, err := table.MatchHeader(there, w, table.Format{})
		if err == nil || len(err.Error()) > 500 || !utf8.ValidString(err.Error()) || !strings.Contains(err.Error(), "sourceName") {
			t.Errorf("got %v", err)
		}
	}
	_, err := table.MatchHeader(there, columnsOf(there[1]), table.Format{})
	if err == nil || len(err.Error()) > 500 || !strings.Contains(err.Error(), "at columns 2, 3, 4") {
		t.Errorf("got %v", err)
	}
}

// disguised is a name that looks the same: other forms, characters that cannot be seen, white space of other kinds.
func disguised(t *rapid.T, name string) string {
	hidden := rapid.SampledFrom([]string{"", "", "", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u034f", "\ufe0f", "\u2060", "\U000e0041", "\u3164", "\x01"})
	space := rapid.SampledFrom([]string{" ", "\u00a0", "\n", "\t", "\r\n", "\u2003 ", "\u3000", "\u2028"})
	form := rapid.SampledFrom([]norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD})
	var out strings.Builder
	for _, r := range form.Draw(t, "form").String(name) {
		out.WriteString(hidden.Draw(t, "hidden"))
		if r == ' ' {
			out.WriteString(space.Draw(t, "space"))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String() + hidden.Draw(t, "hidden at the end")
}

// Names that look the same match, or the message shows where they differ, and nothing of the other cells.
func TestNamesThatLookTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-zäéñçßÅøŁüřи한ä-][A-Za-z0-9 _äéñçßÅøŁüřи한]{0,60}[a-zäéñ0-9]`).Draw(t, "name")
		there := []string{"hush-1", disguised(t, name), "hush-2"}
		got, err := table.MatchHeader(there, columnsOf("ID", "Other="+name), table.Format{})
		var e *table.MissingColumnsError
		if !errors.As(err, &e) {
			t.Fatalf("%v, %v", got, err)
		}
		if norm.NFC.String(strings.TrimSpace(there[1])) == norm.NFC.String(name) {
			if e.Found != 1 {
				t.Fatalf("%q does not match %q", there[1], name)
			}
			return
		}
		message := err.Error()
		_, shown, found := strings.Cut(message, "column 2 is ")
		cell, wanted, both := strings.Cut(shown, ", the data store wants ")
		if e.Found != 0 || !found || !both || cell == wanted || strings.Contains(message, "hush") || len(message) > 500 {
			t.Fatalf("%q for %q: %s", there[1], name, message)
		}
		for _, r := range cell {
			if r != ' ' && r != '…' && (!unicode.IsPrint(r) || unicode.IsMark(r)) {
				t.Fatalf("%U cannot be seen in %s", r, message)
			}
		}
	})
}

// FuzzHeader takes names through a header: what is read is what was written, columns are found where a simple look finds them,
// and a refusal shows no cell but where that look finds a header beyond doubt.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"ID\nMail\nID|ID", "a\n b \n\"c\"|b\nMail=a\nx=c", "a\na|a", "a\n\nb|", "ID|id\nID=\n=", "Größe\nß|SS=ß", "a,b\n;|a,b", "\ufeffa|a", "a\u00a0\na|a",
		"Pre\u0301nom\nID|Pr\u00e9nom", "x\u200by\nb|xy\nc", "a;b|a\nb", "a,b|a\nb", "a\nsecret-1\nsecret-2|a\nb\nc", "x\n\ufeffa|a\nb", "A\ufb01\nb|afi\nc", " \n\n|x= ",
	} {
		there, wanted, _ := strings.Cut(seed, "|")
		f.Add(there, wanted, uint8(3))
		f.Add(there, wanted, uint8(1))
	}
	f.Fuzz(func(t *testing.T, there, wanted string, most uint8) {
		names := strings.Split(there, "\n")
		if !utf8.ValidString(there) || strings.ContainsAny(there, "\x00\r") || len(names) == 1 && names[0] == "" || strings.HasPrefix(there, "\ufeff") {
			return
		}
		var line bytes.Buffer
		w := csv.NewWriter(&line)
		if err := w.Write(names); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		limits := table.Limits{Columns: 1 + int(most)}
		got, err := header(line.String(), limits)
		var e *table.HeaderError
		switch tooMany := len(names) > limits.Columns; {
		case line.Len() > 60<<10, strings.TrimFunc(strings.Join(names, ""), func(r rune) bool { return unicode.IsSpace(r) || r == '\x1a' }) == "":
			return // too long, or a blank line
		case !tooMany && err != nil, tooMany && (!errors.As(err, &e) || e.Reason != table.TooManyColumns || len(err.Error()) > 500):
			t.Fatalf("%q: %v", names, err)
		case tooMany:
			return
		}
		for i, name := range names {
			if got[i] != strings.TrimSpace(name) {
				t.Fatalf("name %d is %q, want %q", i, got[i], name)
			}
		}
		checkMatch(t, got, columnsOf(strings.Split(wanted, "\n")...))
	})
}

// checkMatch looks for columns.
func checkMatch(t *testing.T, names []string, columns []schema.Column) {
	t.Helper()
	form := func(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }
	want, missing, twice := make([]int, len(columns)), 0, false
	for i, c := range columns {
		source := form(cmp.Or(c.SourceName, c.Name))
		first := slices.IndexFunc(names, func(name string) bool { return source != "" && form(name) == source })
		if want[i] = first; first < 0 {
			missing++
		} else {
			twice = twice || slices.ContainsFunc(names[first+1:], func(name string) bool { return form(name) == source })
		}
	}
	got, err := table.MatchHeader(names, columns, table.Format{})
	var m *table.MissingColumnsError
	var h *table.HeaderError
	switch {
	case missing > 0 && (!errors.As(err, &m) || len(m.Missing) != missing || m.Found != len(columns)-missing),
		missing == 0 && twice && (!errors.As(err, &h) || h.Reason != table.DuplicateHeader),
		missing == 0 && !twice && !slices.Equal(got, want):
		t.Fatalf("%+v in %q: %v, %v; want %v", columns, names, got, err, want)
	case err == nil:
		return
	case len(err.Error()) > 500 || !utf8.ValidString(err.Error()):
		t.Fatalf("the message is %q", err)
	}
	if shows := m != nil && m.Header != nil; shows != (m != nil && missing == 1 && len(columns) > 1) {
		t.Fatalf("%+v in %q: %v shows the header: %t", columns, names, err, shows)
	}
	checkShown(t, names, columns, err.Error())
}

// checkShown looks for cells in a message: none is there that is long enough not to be there by accident, unless it is known to
// whoever reads the message, or the header is beyond doubt.
func checkShown(t *testing.T, names []string, columns []schema.Column, message string) {
	t.Helper()
	if strings.Contains(message, "the header has") {
		return
	}
	letters := func(s string) string {
		return strings.ToLower(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, norm.NFKD.String(s)))
	}
	known := letters(fmt.Sprint(columns))
	for _, name := range names {
		if strings.Contains(name, "secret-") && strings.Contains(message, name) && !strings.Contains(known, letters(name)) {
			t.Fatalf("%q shows %q", message, name)
		}
	}
}
