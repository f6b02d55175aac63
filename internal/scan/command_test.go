package scan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/scan"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/livetable"
)

var columns = []edm.Column{
	{Name: "SSN", IsSearchable: true, IgnoredDelimiters: []string{"-"}}, {Name: "Mail", IsSearchable: true, IsCaseInsensitive: true},
	{Name: "Last", IsCaseInsensitive: true}, {Name: "Town"},
}

// patients is a table of n rows.
func patients(n int) string {
	var text strings.Builder
	text.WriteString("SSN,Mail,Last,Town\n")
	for i := range n {
		fmt.Fprintf(&text, "900-%02d-%04d,p%d@example.com,Okafor%d,Old Town %d\n", i/10_000, i%10_000, i, i, i%7)
	}
	return text.String()
}

// run scans files and returns what is printed.
func run(t *testing.T, s livetable.Service, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := s.Run(t, scan.Command(), strings.NewReader(stdin), &out, append([]string{"--store", "patients"}, args...)...)
	return out.String(), err
}

// TestCommand scans files against the real service.
func TestCommand(t *testing.T) {
	s := livetable.Serve(t, "patients", patients(50), columns...)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		testkit.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	quotes := write("quotes.txt", "Dear Mr. Okafor7,\n\nyour number is 900-00-0007.\nOld Town 0 greets you.\n")
	clean := write("clean.txt", "Dear Mr. Okafor7,\n\nyour number is unknown to us.\n")
	broken := write("broken.txt", "900-00-0008 p8@example.com\nsecret\xff\n")
	empty := write("empty.txt", "")
	row7 := quotes + ":1-4: bytes 9-57: row 7 of patients: SSN, Last, Town\n"
	for name, tc := range map[string]struct {
		stdin string
		args  []string
		code  int
		out   string
		words string
	}{
		"nothing":             {args: []string{clean}},
		"an empty file":       {args: []string{empty}},
		"a record":            {args: []string{quotes}, code: 1, out: row7, words: "found: 1 in 1 of 1 files"},
		"several files":       {args: []string{clean, quotes, empty}, code: 1, out: row7, words: "found: 1 in 1 of 3 files"},
		"stdin":               {stdin: "P9@EXAMPLE.COM okafor9", args: []string{"-"}, code: 1, out: "-:1: bytes 0-22: row 9 of patients: Mail, Last\n", words: "found"},
		"a file that is not":  {args: []string{filepath.Join(dir, "nowhere.txt"), quotes}, code: 2, out: row7, words: "nowhere.txt"},
		"a folder":            {args: []string{dir}, code: 2, words: "line 1, byte 0"},
		"a file with no text": {args: []string{broken, quotes}, code: 2, out: broken + ":1: bytes 0-26: row 8 of patients: SSN, Mail\n" + row7, words: "broken.txt: line 2, byte 33: not valid UTF-8"},
		"more columns":        {args: []string{"--min-columns", "4", quotes}},
		"a mandatory column":  {args: []string{"--mandatory", "Mail", quotes}},
		"nearer":              {args: []string{"--within", "1", quotes}},
		"fewer words":         {args: []string{"--max-words", "2", quotes}},
		"fewer words of one":  {args: []string{"--max-words", "3", "--max-words", "SSN=2", quotes}},
		"words of one":        {args: []string{"--max-words", "1", "--max-words", "SSN=3", "--max-words", "Town=3", quotes}, code: 1, out: row7, words: "found"},
		"words for a number":  {args: []string{"--max-words", "SSN=secret", quotes}, code: 2, words: "--max-words must be"},
		"a pattern":           {args: []string{"--pattern", `SSN=9\d{8}`, quotes}, code: 1, out: row7, words: "found"},
		"another pattern":     {args: []string{"--pattern", `SSN=8\d{8}`, quotes}},
		"a part of a pattern": {args: []string{"--pattern", `SSN=9\d{7}`, quotes}},
		"no pattern":          {args: []string{"--pattern", "secret", quotes}, code: 2, words: "--pattern must be COLUMN="},
		"two patterns":        {args: []string{"--pattern", "SSN=secret", "--pattern", "SSN=8", quotes}, code: 2, words: "join both"},
		"a broken pattern":    {args: []string{"--pattern", "SSN=secret(", quotes}, code: 2, words: "RE2 syntax"},
		"no file":             {code: 2, words: "at least one file"},
		"another output":      {args: []string{"-o", "table", quotes}, code: 2, words: "--output must be text or json"},
		"a word for a number": {args: []string{"--within", "secret", quotes}, code: 2, words: "--within does not take this value"},
		"another store":       {args: []string{"--store", "stuff", quotes}, code: 2, words: `"stuff"; it has patients`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, s, tc.stdin, tc.args...)
			if code := scan.ExitCode(err); code != tc.code || out != tc.out || code > 0 && !strings.Contains(err.Error(), tc.words) {
				t.Errorf("exit code %d (%v), printed\n%swant %d, %q\n%s", code, err, out, tc.code, tc.words, tc.out)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	s := livetable.Serve(t, "patients", patients(50), columns...)
	out, err := run(t, s, "Okafor7: 900-00-0007,\nOkafor8: 900-00-0008", "-o", "json", "-")
	if scan.ExitCode(err) != 1 {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%q", out)
	}
	for i, line := range lines {
		var got scan.Find
		testkit.Must(t, json.Unmarshal([]byte(line), &got))
		want := scan.Find{File: "-", Store: "patients", Row: int64(7 + i), Columns: []string{"SSN", "Last"}, Generation: 1, SessionID: got.SessionID,
			Bytes: scan.Range{Start: int64(22 * i), End: int64(22*i + 20)}, Lines: scan.Range{Start: int64(1 + i), End: int64(1 + i)}}
		if got.SessionID == "" || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

// TestNoValueLeaks looks for everything that is in the text in all that is printed,
// sent and said.
func TestNoValueLeaks(t *testing.T) {
	s := livetable.Serve(t, "patients", patients(50), columns...)
	text := "Dear Okafor7 of Old Town 0: 900-00-0007, p7@example.com, canary-7.\n"
	for _, args := range [][]string{{"-"}, {"-o", "json", "-"}, {"--within", "canary-7", "-"}, {"--mandatory", "x", "-"}} {
		for _, more := range []string{"", "canary-7\xff", "canary-7\x00"} {
			out, err := run(t, s, text+more, args...)
			for _, value := range []string{"kafor", "Old Town", "900", "0007", "p7@", "canary"} {
				if said := out + fmt.Sprint(err); strings.Contains(said, value) {
					t.Errorf("%v: %q shows %q", args, said, value)
				}
			}
		}
	}
}

// TestTheExamplesOfTheHelp runs them, beside the files that they name.
func TestTheExamplesOfTheHelp(t *testing.T) {
	s := livetable.Serve(t, "patients", patients(50), columns...)
	t.Chdir(t.TempDir())
	mail := "To: p7@example.com\n\nDear Okafor7,\nyour number is 900-00-0007.\n"
	testkit.Must(t, os.Mkdir("outbox", 0o700))
	for name, text := range map[string]string{"token": "token", "patients.key": string(livetable.Key), "letter.txt": mail, "mail.eml": mail, "outbox/a.txt": mail, "outbox/b.txt": ""} {
		testkit.Must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	examples := strings.Split(strings.ReplaceAll(scan.Command().Example, "\\\n", ""), "\n")
	if len(examples) != 3 {
		t.Fatalf("there are %d examples", len(examples))
	}
	for _, example := range examples {
		_, line, found := strings.Cut(example, "exactmatch scan ")
		if !found {
			t.Fatalf("%q is no scan", example)
		}
		args := []string{"--endpoint", s.Endpoint}
		for _, arg := range strings.Fields(strings.ReplaceAll(line, "'", "")) {
			files, err := filepath.Glob(arg)
			testkit.Must(t, err)
			if len(files) == 0 || !strings.Contains(arg, "*") {
				files = []string{arg}
			}
			args = append(args, files...)
		}
		c, out := scan.Command(), &bytes.Buffer{}
		c.SetArgs(args)
		c.SetIn(strings.NewReader(mail))
		c.SetOut(out)
		c.SilenceErrors, c.SilenceUsage = true, true
		if err := c.ExecuteContext(t.Context()); scan.ExitCode(err) != 1 || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), "SSN") {
			t.Errorf("%s: %q (%v)", example, out, err)
		}
	}
}

// TestAnInterruptionEndsAScan interrupts a scan of a stdin from which nothing comes.
func TestAnInterruptionEndsAScan(t *testing.T) {
	s := livetable.Serve(t, "patients", patients(5), columns...)
	stdin, writer := io.Pipe()
	t.Cleanup(func() { testkit.Must(t, writer.Close()) })
	ended := make(chan error, 1)
	c := scan.Command()
	ctx, interrupt := context.WithCancel(t.Context())
	c.SetContext(ctx)
	go func() { ended <- s.Run(t, c, stdin, io.Discard, "--store", "patients", "-") }()
	_, err := writer.Write([]byte("9")) // it is read
	testkit.Must(t, err)
	interrupt()
	select {
	case err := <-ended:
		if scan.ExitCode(err) != 2 || !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}
