package table_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

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
		{"the same name twice", "a,hush,c, hush ,d,hush\n", table.DuplicateHeader, []int{2, 4, 6}},
		{"no name", "a,,c, \n", table.EmptyHeader, []int{2, 4}},
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
	there := []string{"Patient ID", " SSN", "Name"}
	got, err := table.MatchHeader(there, []table.Column{{Name: "Name"}, {Name: "PatientID", SourceName: "Patient ID"}, {Name: "SSN "}})
	if err != nil || !slices.Equal(got, []int{2, 0, 1}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMatchHeaderNamesWhatIsMissing(t *testing.T) {
	_, err := table.MatchHeader([]string{"Patient ID", "ssn"}, []table.Column{{Name: "PatientID", SourceName: "Patient ID"}, {Name: "SSN"}, {Name: "Name"}})
	var e *table.MissingColumnsError
	if !errors.As(err, &e) || !slices.Equal(e.Missing, []string{"SSN", "Name"}) || !slices.Equal(e.Header, []string{"Patient ID", "ssn"}) {
		t.Fatalf("got %v", err)
	}
	if want := `the header of the table has no column "SSN", "Name"; it has "Patient ID", "ssn"`; err.Error() != want {
		t.Errorf("got %s", err)
	}
}

func TestAFirstRowOfValuesIsNotShown(t *testing.T) {
	_, err := table.MatchHeader([]string{"hush", "078-05-1120"}, []table.Column{{Name: "PatientID"}, {Name: "SSN"}})
	if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "1120") || !strings.Contains(err.Error(), `"SSN"`) {
		t.Errorf("got %v", err)
	}
	var e *table.MissingColumnsError
	if errors.As(err, &e); len(e.Header) != 0 || e.Columns != 2 {
		t.Errorf("got %+v", e)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	there, wanted := []string{"a"}, []table.Column{{Name: "a"}}
	for range 1000 {
		there = append(there, strings.Repeat("é", 90))
		wanted = append(wanted, table.Column{Name: strings.Repeat("ü", 100)})
	}
	_, err := table.MatchHeader(there, wanted)
	if err == nil || len(err.Error()) > 500 || !utf8.ValidString(err.Error()) || !strings.Contains(err.Error(), "it has \"a\"") {
		t.Errorf("got %v", err)
	}
	_, err = header(strings.Repeat("x,", 900)+"x\n", table.Limits{})
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("got %v", err)
	}
}

// FuzzHeader takes names through a header: what is read is what was written, refused is what a simple look says, and columns
// are found where that look finds them.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{"ID\nMail\nID|ID", "a\n b \n\"c\"|b\nMail=a\nx=c", "a\na|a", "a\n\nb|", "ID|id\nID=\n=", "Größe\nß|SS=ß", "a,b\n;|a,b", "\ufeffa|a", "a\u00a0\na|a"} {
		there, wanted, _ := strings.Cut(seed, "|")
		f.Add(there, wanted, uint8(3))
		f.Add(there, wanted, uint8(1))
	}
	f.Fuzz(func(t *testing.T, there, wanted string, most uint8) {
		names := strings.Split(there, "\n")
		if !utf8.ValidString(there) || strings.ContainsAny(there, "\x00\r") || names[0] == "" || strings.HasPrefix(there, "\ufeff") {
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
		reason := refusedHeader(names, limits.Columns)
		switch {
		case line.Len() > 60<<10:
			return
		case reason == "" && err != nil, reason != "" && (!errors.As(err, &e) || e.Reason != reason):
			t.Fatalf("%q: %v, want %q", names, err, reason)
		case err != nil:
			if len(err.Error()) > 500 {
				t.Fatalf("the message has %d bytes", len(err.Error()))
			}
			return
		}
		places := map[string]int{}
		for i, name := range names {
			places[strings.TrimSpace(name)] = i
			if got[i] != strings.TrimSpace(name) {
				t.Fatalf("name %d is %q, want %q", i, got[i], name)
			}
		}
		checkMatch(t, got, wanted, places)
	})
}

// refusedHeader says why names cannot be a header, "" where they can.
func refusedHeader(names []string, most int) table.HeaderReason {
	seen := map[string]bool{}
	var reason table.HeaderReason
	for _, name := range names {
		name = strings.TrimSpace(name)
		if name == "" {
			reason = table.EmptyHeader
		} else if seen[name] && reason == "" {
			reason = table.DuplicateHeader
		}
		seen[name] = true
	}
	if len(names) > most {
		return table.TooManyColumns
	}
	return reason
}

// checkMatch looks for columns, "Name" or "Name=SourceName" a line.
func checkMatch(t *testing.T, names []string, wanted string, places map[string]int) {
	t.Helper()
	var columns []table.Column
	var want []int
	missing := false
	for line := range strings.SplitSeq(wanted, "\n") {
		name, source, _ := strings.Cut(line, "=")
		columns = append(columns, table.Column{Name: name, SourceName: source})
		if source == "" {
			source = name
		}
		at, found := places[strings.TrimSpace(source)]
		want, missing = append(want, at), missing || !found
	}
	got, err := table.MatchHeader(names, columns)
	var e *table.MissingColumnsError
	switch {
	case missing && !errors.As(err, &e), !missing && !slices.Equal(got, want):
		t.Fatalf("%q in %q: %v, %v; want %v", wanted, names, got, err, want)
	case missing && (len(err.Error()) > 500 || !utf8.ValidString(err.Error()) && utf8.ValidString(wanted)):
		t.Fatalf("the message is %q", err)
	}
}
