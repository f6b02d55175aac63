package pipeline_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// columnsOf are columns by "Name" or "Name=SourceName".
func columnsOf(names ...string) []schema.Column {
	var columns []schema.Column
	for _, name := range names {
		name, from, _ := strings.Cut(name, "=")
		columns = append(columns, schema.Column{Name: name, SourceName: from})
	}
	return columns
}

func zstandard(t *testing.T, text string, options ...zstd.EOption) string {
	t.Helper()
	w, err := zstd.NewWriter(nil, options...)
	testkit.Must(t, err)
	return string(w.EncodeAll([]byte(text), nil))
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("table.csv")
	testkit.Must(t, err)
	_, err = f.Write([]byte(text))
	testkit.Must(t, err)
	testkit.Must(t, w.Close())
	return out.String()
}

func tarred(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	testkit.Must(t, w.WriteHeader(&tar.Header{Name: "table.csv", Mode: 0o600, Size: int64(len(text))}))
	_, err := w.Write([]byte(text))
	testkit.Must(t, err)
	testkit.Must(t, w.Close())
	return out.String()
}

const (
	people  = "ID,Account,Name\nK-00000,880000000,Person A0\nK-00001,880000001,Person B1\n"
	bzipped = "BZh91AY&SY\xd9LJ\xb6\x00\x00\x03\xdd\x80\x00\x10\x00\x04 \x00D\" $\x00@ \x00\"\x03A\x90\x80i\xa6\x82\xb2\xc1\xe9\xd6!/\x17rE8P\x90\xd9LJ\xb6"
	signIn  = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Sign in</title></head>\n<body>Please sign in to download the report.</body>\n</html>\n"
	expired = "{\"error\":{\"code\":\"AuthenticationExpired\",\"message\":\"sign in again\"}}\n"
)

// TestTablesOfStrangersLoad: what looks odd and has one meaning.
func TestTablesOfStrangersLoad(t *testing.T) {
	more := "K-00002,880000002,Person C2\n"
	padded := tables.Gzip(t, people)
	padded += strings.Repeat("\x00", 512-len(padded)%512)
	for name, tc := range map[string]struct {
		text    string
		columns []schema.Column
		rows    int64
		format  schema.Format
	}{
		"every line ends with the delimiter":     {"ID|Account|Name|\nK-00000|880000000|Person A0|\n", columnsOf("ID", "Account", "Name"), 1, schema.Format{Delimiter: "|"}},
		"columns without a name":                 {"ID,Account,,Name,,\nK-00000,880000000,x0,Person 0,,\n", columnsOf("ID", "Account", "Name"), 1, schema.Format{}},
		"a name twice that nobody wants":         {"ID,Note,Account,Note\nK-00000,x,880000000,y\n", columnsOf("ID", "Account"), 1, schema.Format{}},
		"gzip padded to a block":                 {padded, columnsOf("ID", "Account", "Name"), 2, schema.Format{}},
		"gzip members":                           {tables.Gzip(t, people) + tables.Gzip(t, more), columnsOf("ID", "Account", "Name"), 3, schema.Format{}},
		"gzip members, padded":                   {padded + tables.Gzip(t, more), columnsOf("ID", "Account", "Name"), 3, schema.Format{}},
		"zstd with a window of --ultra":          {zstandard(t, people, zstd.WithWindowSize(128<<20), zstd.WithSingleSegment(false)), columnsOf("ID", "Account", "Name"), 2, schema.Format{}},
		"a decomposed name":                      {"ID,Account,Pre\u0301nom\nK-00000,880000000,A\n", columnsOf("ID", "Account", "Prenom=Pr\u00e9nom"), 1, schema.Format{}},
		"a name with a line break, named so":     {"ID,\"Account\r\nNo\",Name\r\nK-00000,880000000,A\r\n", columnsOf("ID", "Account=Account\nNo", "Name"), 1, schema.Format{}},
		"Windows-1252":                           {"ID,Name\n1,M\xfcller\n", columnsOf("ID", "Name"), 1, schema.Format{Encoding: "Windows-1252"}},
		"Windows-1252 with letters of ASCII":     {people, columnsOf("ID", "Name"), 2, schema.Format{Encoding: "Windows-1252"}},
		"Windows-1252 with one that is no UTF-8": {"ID,Name\n1,M\u00fcller\n2,M\xfcller\n", columnsOf("ID", "Name"), 2, schema.Format{Encoding: "Windows-1252"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := tables.Plan(tc.text, 1000)
			plan.Columns, plan.Format = tc.columns, tc.format
			p, err := pipeline.Prepare(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if p.Rows != tc.rows || p.BadRows.Count != 0 {
				t.Errorf("%d rows and %d bad ones, want %d", p.Rows, p.BadRows.Count, tc.rows)
			}
			if p.Bytes != int64(len(tc.text)) {
				t.Errorf("the checksum is of %d bytes, the source has %d", p.Bytes, len(tc.text))
			}
		})
	}
}

// TestTablesOfStrangersAreRefused: what is wrong is named, and what to do, and nothing of the content is shown.
func TestTablesOfStrangersAreRefused(t *testing.T) {
	three := columnsOf("ID", "Account", "Name")
	for name, tc := range map[string]struct {
		text    string
		columns []schema.Column
		format  schema.Format
		reason  failure.Reason
		words   []string
		secret  string
	}{
		"gzip twice":            {tables.Gzip(t, tables.Gzip(t, people)), three, schema.Format{}, failure.InvalidEncoding, []string{"compressed twice", "once"}, ""},
		"gzip in zstd":          {zstandard(t, tables.Gzip(t, people)), three, schema.Format{}, failure.InvalidEncoding, []string{"compressed twice", "gzip within zstd"}, ""},
		"gzip, and None said":   {tables.Gzip(t, people), three, schema.Format{Compression: "None"}, failure.InvalidEncoding, []string{"gzip", "format.compression", "Auto"}, ""},
		"bzip2":                 {bzipped, three, schema.Format{}, failure.InvalidEncoding, []string{"bzip2", "gzip or zstd"}, ""},
		"bzip2, and gzip said":  {bzipped, three, schema.Format{Compression: "Gzip"}, failure.InvalidEncoding, []string{"bzip2", "gzip or zstd"}, ""},
		"zip":                   {zipped(t, people), three, schema.Format{}, failure.InvalidEncoding, []string{"zip", ".xlsx", "gzip or zstd"}, ""},
		"tar":                   {tarred(t, people), three, schema.Format{}, failure.InvalidEncoding, []string{"tar archive", "gzip or zstd"}, ""},
		"tar in gzip":           {tables.Gzip(t, tarred(t, people)), three, schema.Format{}, failure.InvalidEncoding, []string{"tar archive within gzip"}, ""},
		"tar in zstd":           {zstandard(t, tarred(t, people)), three, schema.Format{}, failure.InvalidEncoding, []string{"tar archive within zstd"}, ""},
		"bytes after zstd":      {zstandard(t, people) + "something else", three, schema.Format{}, failure.InvalidEncoding, []string{"after", "zstd"}, ""},
		"a second member short": {tables.Gzip(t, people) + tables.Gzip(t, people)[:20], three, schema.Format{}, failure.InvalidEncoding, []string{"too early"}, ""},
		"gzip of nothing":       {tables.Gzip(t, ""), three, schema.Format{}, failure.EmptyTable, []string{"empty"}, ""},
		"a sign-in page":        {signIn, three, schema.Format{}, failure.FormatInvalid, []string{"HTML page", "sign-in", "not a table"}, "Sign in"},
		"an error in JSON":      {expired, three, schema.Format{}, failure.FormatInvalid, []string{"JSON", "not a table"}, "AuthenticationExpired"},
		"an error in XML": {
			"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>\n", three, schema.Format{}, failure.FormatInvalid, []string{"XML", "not a table"}, "AccessDenied",
		},
		"a no-break space": {
			"ID,Account,Last\u00a0Name\nK-00000,880000000,A\n", columnsOf("ID", "Account", "LastName=Last Name"), schema.Format{}, failure.MissingColumn,
			[]string{`column 3 is "Last\u00a0Name"`, `"Last Name"`, "sourceName"}, "K-00000",
		},
		"a line break": {
			"ID,\"Account\nNo\",Name\nK-00000,880000000,A\n", columnsOf("ID", "Account=Account No", "Name"), schema.Format{}, failure.MissingColumn,
			[]string{`column 2 is "Account\nNo"`, `"Account No"`, "sourceName"}, "",
		},
		"two marks":       {"\ufeff\ufeffID\nK-00000\n", columnsOf("ID"), schema.Format{}, failure.MissingColumn, []string{"second byte order mark", "U+FEFF"}, "K-00000"},
		"two marks, many": {"\ufeff\ufeffID,Name\nK-00000,x\n", columnsOf("ID", "Name"), schema.Format{}, failure.MissingColumn, []string{"second byte order mark", "U+FEFF"}, "K-00000"},
		"two marks before quotes": {
			"\ufeff\ufeff\"ID\",\"Name\"\nK-00000,x\n", columnsOf("ID", "Name"), schema.Format{}, failure.FormatInvalid, []string{"second byte order mark", "U+FEFF"}, "K-00000",
		},
		"title lines": {
			"Report of accounts,,\nMade on 2024-01-05,,\n,,\nID,Account,Name\nK-00000,880000000,A\n", three, schema.Format{}, failure.MissingColumn,
			[]string{`"ID", "Account", "Name"`, "line 4 names them", "format.skipLines to 3"}, "Report",
		},
		"one value is a name": {"ID,hush-1,hush-2\nK-00000,880000000,A\n", three, schema.Format{}, failure.MissingColumn, []string{`"Account", "Name"`, "1 of 3 selected columns in 3 cells"}, "hush"},
		"UTF-8 as Windows-1252": {
			"ID,Account,Name\nK-00000,880000000,M\u00fcller 0\n", three, schema.Format{Encoding: "Windows-1252"}, failure.InvalidEncoding,
			[]string{"valid UTF-8", "format.encoding says Windows-1252", "UTF-8 or Auto"}, "ller",
		},
		"UTF-8 in the header as Windows-1252": {
			"ID,Gr\u00f6\u00dfe\nK-00000,1\n", columnsOf("ID", "Gr\u00f6\u00dfe"), schema.Format{Encoding: "Windows-1252"}, failure.InvalidEncoding,
			[]string{"valid UTF-8", "UTF-8 or Auto"}, "K-00000",
		},
		"whole lines quoted": {
			"\"ID,Account,Name\"\n\"K-00000,880000000,\"\"Person 0\"\"\"\n", three, schema.Format{}, failure.MissingColumn, []string{"each line", "one quoted cell"}, "K-00000",
		},
		"tabs":            {"ID\tAccount\tName\nK-00000\t880000000\tA\n", three, schema.Format{}, failure.MissingColumn, []string{`set format.delimiter to "\t"`}, "K-00000"},
		"semicolons":      {"ID;Account;Name\nK-00000;880000000;A\n", three, schema.Format{}, failure.MissingColumn, []string{`set format.delimiter to ";"`}, "K-00000"},
		"commas":          {people, three, schema.Format{Delimiter: "\t"}, failure.MissingColumn, []string{`set format.delimiter to ","`}, "K-00000"},
		"quoted and tabs": {"\"ID\"\t\"Account\"\t\"Name\"\n\"K-00000\"\t\"8\"\t\"A\"\n", three, schema.Format{}, failure.FormatInvalid, []string{`set format.delimiter to "\t"`}, "K-00000"},
		"the name twice":  {"ID,Account,Name,ID\n1,2,3,4\n", three, schema.Format{}, failure.DuplicateHeader, []string{`"ID"`, "columns 1, 4"}, ""},
		"once in each form": {
			"Pre\u0301nom,Pr\u00e9nom\nhush,x\n", columnsOf("Pr\u00e9nom"), schema.Format{}, failure.DuplicateHeader, []string{"columns 1, 2"}, "hush",
		},
		"a header that is not UTF-8": {"Gr\xf6\xdfe,ID\nhush,x\n", columnsOf("ID"), schema.Format{}, failure.InvalidEncoding, []string{"format.encoding", "Windows-1252"}, "hush"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := tables.Plan("", 1000)
			plan.Source, plan.Columns, plan.Format = source.Bytes("people.csv", []byte(tc.text)), tc.columns, tc.format
			_, err := pipeline.Prepare(t.Context(), plan)
			var e *failure.Error
			if !errors.As(err, &e) || e.Reason != tc.reason || e.Transient {
				t.Fatalf("want %s for good, got %v", tc.reason, err)
			}
			for _, words := range tc.words {
				if !strings.Contains(e.Message, words) {
					t.Errorf("%q does not say %q", e.Message, words)
				}
			}
			if tc.secret != "" && strings.Contains(err.Error(), tc.secret) || len(e.Message) > 500 || !utf8.ValidString(e.Message) {
				t.Errorf("the message is %q", e.Message)
			}
		})
	}
}
