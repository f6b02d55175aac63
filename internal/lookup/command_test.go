package lookup_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/livetable"
)

var id = edm.Column{Name: "ID", IsSearchable: true, IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}}

// ends wants an exit code and, of an error, words but no value.
func ends(t *testing.T, err error, code int, words string, values ...string) {
	t.Helper()
	if got := lookup.ExitCode(err); got != code {
		t.Fatalf("exit code %d, want %d: %v", got, code, err)
	}
	if err == nil {
		return
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%q does not say %q", err, words)
	}
	for _, value := range values {
		if strings.Contains(err.Error(), value) {
			t.Errorf("the error shows the value %q: %v", value, err)
		}
	}
}

// prints wants a table of these lines.
func prints(t *testing.T, got string, lines ...string) {
	t.Helper()
	if want := strings.Join(lines, "\n"); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

func TestFilesOfValues(t *testing.T) {
	l := serve(t, "numbers", numbers(60), edm.Column{Name: "ID", IsSearchable: true})
	both := []string{"LINE FOUND ROW SAME ROW", "1 yes 0 -", "2 yes 1 -"}
	for name, tc := range map[string]struct {
		lines []string
		code  int
		words string
	}{
		"values-bom.txt":            {lines: both},
		"values-utf16.txt":          {lines: both},
		"values-cr.txt":             {lines: both},
		"values-utf16le-nomark.txt": {code: 2, words: "--values-from: line 1: character 2: NUL"},
		"values-empty.txt":          {code: 2, words: "give at least one"},
		"values-blank.txt":          {lines: []string{"LINE FOUND ROW SAME ROW", "1 yes 0 -", "3 yes 1 -"}},
		"values-quoted.txt":         {lines: []string{"LINE FOUND ROW SAME ROW", "1 no - -", "2 no - -"}, code: 1, words: "not found: 2 of 2 values"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := l.ask(t, "", "--store", "numbers", "--column", "ID", "--values-from", filepath.Join("testdata", name))
			ends(t, err, tc.code, tc.words, "K-0")
			prints(t, out, tc.lines...)
			text, err := os.ReadFile(filepath.Join("testdata", name))
			testkit.Must(t, err)
			piped, err := l.ask(t, string(text), "--store", "numbers", "--column", "ID", "--values-from", "-")
			ends(t, err, tc.code, tc.words, "K-0")
			prints(t, piped, tc.lines...)
		})
	}
}

func TestSameRowTakesValuesAsTheyStand(t *testing.T) {
	table, err := os.ReadFile("testdata/same-row.csv")
	testkit.Must(t, err)
	l := serve(t, "parts", string(table), edm.Column{Name: "ID", IsSearchable: true}, edm.Column{Name: "Name"}, edm.Column{Name: "Note"})
	for _, tc := range []struct{ value, cell, row, matched string }{
		{"K-1", "Name=Acme, Ltd", "0", "Name"},
		{"K-1", "Note=a=b", "0", "Note"},
		{"K-2", `Name=Bolt 5"`, "1", "Name"},
		{"K-2", "Note=x=1, y=2", "1", "Note"},
		{"K-3", `Name="Quoted"`, "2", "Name"},
		{"K-3", `Name=Quoted`, "2", "-"},
		{"K-4", "Note=q=w=e", "3", "Note"},
		{"K-5", "Note=k==\nz", "4", "-"},
		{"K-5", "Note=k==", "4", "Note"},
		{"K-5", "Name=Two\nLines", "4", "Name"},
	} {
		out, err := l.ask(t, "", "--store", "parts", "--column", "ID", "--value", tc.value, "--same-row", tc.cell)
		ends(t, err, 0, "")
		prints(t, out, "VALUE FOUND ROW SAME ROW", "1 yes "+tc.row+" "+tc.matched)
	}
	out, err := l.ask(t, "", "--store", "parts", "--column", "ID", "--value", "K-2", "--same-row", `Name=Bolt 5"`, "--same-row", "Note=x=1, y=2")
	ends(t, err, 0, "")
	prints(t, out, "VALUE FOUND ROW SAME ROW", "1 yes 1 Name,Note")
}

func TestSameRowErrorsShowNoValue(t *testing.T) {
	l := serve(t, "parts", "ID,Name\nK-1,a\n", edm.Column{Name: "ID", IsSearchable: true}, edm.Column{Name: "Name", IgnoredDelimiters: []string{"-"}})
	for name, tc := range map[string]struct {
		cells []string
		words string
	}{
		"no equals sign":     {[]string{"Name=a", "secret value"}, "--same-row 2 must be COLUMN=VALUE"},
		"no column":          {[]string{"secret value=1"}, `--same-row 1 does not begin with a column of data store "parts" and =; it has ID, Name`},
		"an empty column":    {[]string{"=secret value"}, "--same-row 1"},
		"a column in spaces": {[]string{" Name=secret value"}, "--same-row 1"},
		"a column twice":     {[]string{"Name=secret value", "Name=secret value too"}, "--same-row 2 names a column"},
		"no text":            {[]string{"Name=secret value\xfc"}, "--same-row 1: not valid UTF-8"},
		"nothing":            {[]string{"Name="}, "--same-row 1: nothing is left"},
		"delimiters alone":   {[]string{"Name=- -"}, "--same-row 1: nothing is left"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--store", "parts", "--column", "ID", "--value", "K-1"}
			for _, cell := range tc.cells {
				args = append(args, "--same-row", cell)
			}
			out, err := l.ask(t, "", args...)
			ends(t, err, 2, tc.words, "secret", "- -", "K-1")
			prints(t, out)
		})
	}
}

func TestANoMeansNo(t *testing.T) {
	l := serve(t, "numbers", "ID\nMüller\nK-2\n", id)
	for name, tc := range map[string]struct {
		values []string
		code   int
		words  string
		lines  []string
	}{
		"all found":        {[]string{"müller", "K2"}, 0, "", []string{"VALUE FOUND ROW SAME ROW", "1 yes 0 -", "2 yes 1 -"}},
		"one is not":       {[]string{"Müller", "K3"}, 1, "not found: 1 of 2 values", []string{"VALUE FOUND ROW SAME ROW", "1 yes 0 -", "2 no - -"}},
		"not UTF-8":        {[]string{"Müller", "M\xfcller"}, 2, "--value 2: not valid UTF-8", nil},
		"nothing":          {[]string{""}, 2, "--value 1: nothing is left", nil},
		"white space":      {[]string{" \u00a0\t"}, 2, "--value 1: nothing is left", nil},
		"delimiters alone": {[]string{"K2", "- -", "K3"}, 2, "--value 2: nothing is left", []string{"VALUE FOUND ROW SAME ROW", "1 yes 1 -"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--store", "numbers", "--column", "ID"}
			for _, v := range tc.values {
				args = append(args, "--value", v)
			}
			out, err := l.ask(t, "", args...)
			ends(t, err, tc.code, tc.words, "ller", "- -", "K3")
			prints(t, out, tc.lines...)
		})
	}
	t.Run("a line of delimiters alone", func(t *testing.T) {
		out, err := l.ask(t, "K-2\n\n--\nK-3\n", "--store", "numbers", "--column", "ID", "--values-from", "-")
		ends(t, err, 2, "--values-from: line 3: nothing is left", "--\n", "K-")
		prints(t, out, "LINE FOUND ROW SAME ROW", "1 yes 1 -")
	})
}

func TestJSONStaysWhole(t *testing.T) {
	l := serve(t, "numbers", numbers(3), id)
	for name, tc := range map[string]struct {
		stdin string
		code  int
		want  []map[string]any
	}{
		"found":             {"K-00001\n", 0, []map[string]any{{"value": 1., "total": 1.}}},
		"not all":           {"K-00001\n\nK-4\n", 1, []map[string]any{{"value": 1., "total": 1.}, {"value": 3., "total": 0.}}},
		"an error, later":   {"K-00002\nK\xff\n", 2, []map[string]any{{"value": 1., "total": 1.}, {"value": 2., "total": nil}}},
		"an error at first": {"-\n", 2, []map[string]any{{"value": 1., "total": nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := l.ask(t, tc.stdin, "--store", "numbers", "--column", "ID", "--values-from", "-", "-o", "json")
			ends(t, err, tc.code, "")
			var got []map[string]any
			if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != len(tc.want) {
				t.Fatalf("%q: %v", out, err)
			}
			for i, want := range tc.want {
				if got[i]["value"] != want["value"] || got[i]["total"] != want["total"] {
					t.Errorf("element %d is %v, want %v", i, got[i], want)
				}
				if (got[i]["error"] != nil) == (got[i]["total"] != nil) || (got[i]["rows"] == nil) != (got[i]["total"] == nil) {
					t.Errorf("element %d is neither an answer nor an error: %v", i, got[i])
				}
			}
		})
	}
}

// TestAnswersComeBeforeTheNextValue writes a value only once the one before it is
// answered.
func TestAnswersComeBeforeTheNextValue(t *testing.T) {
	l := serve(t, "numbers", numbers(3), id)
	for output, want := range map[string][]string{
		"table": {"1        yes", "2        no", "3        yes"},
		"json":  {`{"value":1,"total":1`, `{"value":2,"total":0`, `{"value":3,"total":1`},
	} {
		t.Run(output, func(t *testing.T) {
			values, stdin := io.Pipe()
			stdout, answers := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				ended <- l.command(t, values, answers, "--store", "numbers", "--column", "ID", "--values-from", "-", "-o", output)
				_ = answers.Close()
			}()
			in, read := bufio.NewReader(stdout), ""
			for i, value := range []string{"K-1", "7", "K-3"} {
				_, err := io.WriteString(stdin, strings.Replace(value, "K-", "K-0000", 1)+"\r\n")
				testkit.Must(t, err)
				for !strings.Contains(read, want[i]) {
					b, err := in.ReadByte()
					testkit.Must(t, err)
					read += string(b)
				}
			}
			testkit.Must(t, stdin.Close())
			_, err := io.Copy(io.Discard, in)
			testkit.Must(t, err)
			ends(t, <-ended, 1, "not found: 1 of 3 values")
		})
	}
}

func TestValuesHaveOneOrigin(t *testing.T) {
	l := serve(t, "numbers", numbers(3), id)
	_, err := l.ask(t, "K-00001\n", "--store", "numbers", "--column", "ID", "--value", "K-00002", "--values-from", "-")
	ends(t, err, 2, "--value or --values-from, not both", "K-0")
}

func TestBadFlagsShowNoValue(t *testing.T) {
	l := live{livetable.Service{Endpoint: "http://127.0.0.1:1/beta"}}
	for name, tc := range map[string]struct {
		args  []string
		words string
	}{
		"no value":              {nil, "give at least one --value"},
		"a value in two words":  {[]string{"--value", "Anna", "Secret"}, "put a value that has spaces into quotes"},
		"a word with a dash":    {[]string{"--value", "Anna", "-Secret"}, "leading dash"},
		"one dash":              {[]string{"-value=Secret"}, "leading dash"},
		"two dashes":            {[]string{"--value", "Anna", "--Secret"}, "leading dash"},
		"dashes and =":          {[]string{"--=Secret"}, "leading dash"},
		"a flag's wrong value":  {[]string{"--value", "Anna", "--limit", "Secret"}, "--limit"},
		"a limit of 0":          {[]string{"--value", "Secret", "--limit", "0"}, "--limit must be 1 to 1000"},
		"a limit of 1001":       {[]string{"--value", "Secret", "--limit", "1001"}, "--limit must be 1 to 1000"},
		"a flag alone":          {[]string{"--value"}, "--value needs a value"},
		"output":                {[]string{"--value", "Secret", "-o", "yaml"}, "--output must be table or json"},
		"a file that is not":    {[]string{"--values-from", filepath.Join(t.TempDir(), "nowhere")}, "--values-from"},
		"a service that is not": {[]string{"--value", "Secret"}, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.ask(t, "", append([]string{"--store", "s", "--column", "c"}, tc.args...)...)
			ends(t, err, 2, tc.words, "Secret")
		})
	}
	t.Run("a folder of values", func(t *testing.T) {
		l := serve(t, "numbers", numbers(3), id)
		_, err := l.ask(t, "", "--store", "numbers", "--column", "ID", "--values-from", t.TempDir())
		ends(t, err, 2, "--values-from: line 1")
	})
}

func TestHelpTellsTheExitCodes(t *testing.T) {
	help := lookup.Command().Long
	for _, words := range []string{"0   every value is found", "1   every value is answered, and some are not found", "2   an error", "LINE is the line"} {
		if !strings.Contains(help, words) {
			t.Errorf("the help does not say %q", words)
		}
	}
}
