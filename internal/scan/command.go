package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/live"
)

// Name is what the command is called by.
const Name = "scan"

// The exit codes of the command. 0 is for files in which nothing is found.
const (
	exitFound = 1
	exitError = 2
)

const long = `Find records of a data store in text. The text is hashed on this machine under the store's key;
only tokens leave it.

A record is found where a value of a searchable column, the primary value, stands in the text, and
values of other columns of the same row within --within characters of it. --min-columns counts the
primary value too. A value that more than 1,000 rows hold is no primary value, since it identifies
nobody; beside a primary value it counts. No part of the text counts for two columns: where it
could, it counts for what is nearest to the primary value. Finds of one row that overlap are one.

A value is 1 to --max-words words with what stands between them, on one line or several. A word is a
run of letters and digits: 900-12-3456 has three, and so has "Okafor, Ngozi M.". Each character of
Chinese, Japanese, Thai, Lao, Khmer and Burmese is a word. Up to 3 characters of punctuation right
before and right behind the words may belong to the value: "(555) 0134", "Acme Inc.". The rules of
each column of the live table say how letters are compared and which characters are ignored. A value
has at most 1,024 bytes; one without a letter or digit is not found.

Each value that a searchable column may have in the text is a question to the service, and words cost
questions in proportion: about a million for each megabyte of prose and searchable column. These
flags save most of them, and lose no find as long as they are true of the table:
  --mandatory SSN       only the SSNs are asked for everywhere, other values around those that exist
  --pattern SSN=\d{9}   every SSN matches this, whole, as the rules leave it: without the characters
                        that the column ignores, folded where its letter case does not count
  --max-words SSN=3     the SSNs have at most 3 words

FILE is UTF-8, or UTF-16 with a byte order mark; "-" is stdin. What is not text is an error, and the
other files are scanned all the same. All finds are of one table: where another one goes live
meanwhile, that is an error.

A find is printed with its file, lines, bytes, row and columns, never with a value. Bytes are counted
from 0, the second number is behind the last one; lines from 1; rows as lookup counts them. With
--output json each find is a JSON object on a line.

Exit codes:
  0   all files are scanned, and nothing is found
  1   all files are scanned, and records are found
  2   an error: the finds that were printed are right, there may be others`

const example = `  exactmatch scan --bearer-token-file token --key-file patients.key --store patients letter.txt
  exactmatch scan --bearer-token-file token --key-file patients.key --store patients \
    --min-columns 3 --mandatory SSN --pattern 'SSN=\d{9}' --output json outbox/*.txt
  cat mail.eml | exactmatch scan --bearer-token-file token --key-file patients.key --store patients -`

// foundError is how a scan ends that found records.
type foundError struct{ finds, with, files int }

func (e *foundError) Error() string {
	return fmt.Sprintf("found: %d in %d of %d files", e.finds, e.with, e.files)
}

// ExitCode is the exit code for what the command returned.
func ExitCode(err error) int {
	var found *foundError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &found):
		return exitFound
	default:
		return exitError
	}
}

// flags are the flags of the command.
type flags struct {
	live.Connection
	Options
	output   string
	words    []string
	patterns []string
}

// readPatterns reads --pattern.
func (f *flags) readPatterns() error {
	f.Patterns = map[string]string{}
	for _, text := range f.patterns {
		column, pattern, is := strings.Cut(text, "=")
		if !is || column == "" || pattern == "" {
			return errors.New("--pattern must be COLUMN= and a regular expression")
		}
		if f.Patterns[column] != "" {
			return fmt.Errorf("--pattern is given twice for the column %q: join both with |", column)
		}
		f.Patterns[column] = pattern
	}
	return nil
}

// countWords reads --max-words.
func (f *flags) countWords() error {
	f.MaxWords, f.ColumnWords = defaultWords, map[string]int{}
	for _, text := range f.words {
		column, number := "", text
		if at := strings.LastIndex(text, "="); at >= 0 {
			column, number = text[:at], text[at+1:]
		}
		n, err := strconv.Atoi(number)
		switch {
		case err != nil:
			return errMaxWords
		case column == "":
			f.MaxWords = n
		default:
			f.ColumnWords[column] = n
		}
	}
	return nil
}

// defaultWords are enough for names, numbers in groups, addresses of mail and many
// postal ones.
const defaultWords = 6

// Command is the command scan. It never shows a value.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use: Name + " FILE…", Short: "Find records of a data store in text; only tokens leave this machine",
		Long: long, Example: example, Args: someFiles,
		RunE: func(c *cobra.Command, files []string) error {
			web, err := f.Client()
			if err != nil {
				return err
			}
			return f.run(c.Context(), web, files, c.InOrStdin(), c.OutOrStdout())
		},
	}
	c.SetFlagErrorFunc(flagError)
	f.AddTo(c)
	set := c.Flags()
	set.IntVar(&f.MinColumns, "min-columns", 0, "columns of one row that make a find, with the primary value's (default 2, or 1 where the table has no more)")
	set.StringArrayVar(&f.Mandatory, "mandatory", nil, "`COLUMN` that a find must have; may be repeated")
	set.IntVar(&f.Within, "within", 300, "characters between a primary value and a value that counts with it, at most 100000")
	set.StringArrayVar(&f.words, "max-words", []string{strconv.Itoa(defaultWords)}, "words of the longest value, 1 to 32, or `COLUMN=N` of the longest one of a column; may be repeated")
	set.StringArrayVar(&f.patterns, "pattern", nil, "`COLUMN=REGEXP` that every value of a column matches whole, in RE2 syntax, as the column's rules leave it; other text is not asked for as its value; may be repeated")
	set.StringVarP(&f.output, "output", "o", "text", "text or json")
	return c
}

func someFiles(_ *cobra.Command, files []string) error {
	if len(files) == 0 {
		return errors.New(`give at least one file, or "-" for stdin`)
	}
	return nil
}

// flagError does not repeat what was given, as the other commands do not.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return fmt.Errorf("--%s does not take this value: it is a flag of type %s", invalid.GetFlag().Name, invalid.GetFlag().Value.Type())
	}
	return err
}

func (f *flags) run(ctx context.Context, web *http.Client, files []string, in io.Reader, out io.Writer) error {
	if err := fingerprint.SelfTest(); err != nil {
		return err
	}
	if err := errors.Join(f.countWords(), f.readPatterns()); err != nil {
		return err
	}
	print, err := printerOf(f.output, out)
	if err != nil {
		return err
	}
	key, err := f.Key()
	if err != nil {
		return err
	}
	stores, err := f.Stores(web)
	if err != nil {
		return err
	}
	s, err := Open(ctx, stores, key, f.Store, f.Options)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.files(ctx, files, in, print) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done(): // a read of stdin that blocks is left behind
		return context.Cause(ctx)
	}
}

// files scans all files. One that is not text does not keep the others from being
// scanned.
func (s *Scanner) files(ctx context.Context, files []string, stdin io.Reader, print func(Find) error) error {
	total := foundError{files: len(files)}
	var failed []error
	for _, name := range files {
		before := total.finds
		err := s.file(ctx, name, stdin, func(f Find) error {
			total.finds++
			return print(f)
		})
		if total.finds > before {
			total.with++
		}
		var notText *TextError
		var notRead *os.PathError
		switch {
		case errors.As(err, &notText):
			failed = append(failed, fmt.Errorf("%s: %w", shown(name), err))
		case errors.As(err, &notRead):
			failed = append(failed, err)
		case err != nil:
			return errors.Join(append(failed, err)...)
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	if total.finds > 0 {
		return &total
	}
	return nil
}

// file scans one file, or stdin.
func (s *Scanner) file(ctx context.Context, name string, stdin io.Reader, yield func(Find) error) error {
	if name == "-" {
		return s.Scan(ctx, name, stdin, yield)
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return s.Scan(ctx, name, in, yield)
}
