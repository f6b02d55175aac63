package lookup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/fingerprint"
)

// Name is what the command is called by.
const Name = "lookup"

// The exit codes of the command. 0 is for nothing but values that are all found.
const (
	exitNotFound = 1
	exitError    = 2
)

const long = `Ask a data store whether it holds plain values. The values are hashed on this machine under the
store's key; only tokens leave it.

Values are hashed under the rules of the table that is live, whatever the data store's are by now.
All answers are of that table: where another one goes live before the last answer, that is an error.

Answers are printed as they come, in the order of the values, and numbered:
  --value         VALUE is the position of the flag, from 1
  --values-from   LINE is the line of the file, from 1, counting the blank lines that are skipped

A file of values is UTF-8, or UTF-16 with a byte order mark. A line is one value, exactly as it
stands: quotes and white space belong to it. Lines end with LF, CR LF, CR CR LF or CR, and a line
of nothing but white space is skipped. What is not valid text is an error, never a "no", and so is a
value of which nothing is left once white space and the column's ignored delimiters are dropped.

With --output json the answers are one array with an element on each line; "value" is the number.
An error while values are asked for is the last element, with "error" in place of "total".

Exit codes:
  0   every value is found
  1   every value is answered, and some are not found
  2   an error: the answers that were printed are right, there are none for the other values
Whether cells of --same-row match changes nothing about the exit code.`

const example = `  exactmatch lookup --bearer-token-file token --key-file staff.key --store staff --column Badge \
    --value 77-120-4 --same-row 'Name=Okafor, Ngozi'
  exactmatch lookup --bearer-token-file token --key-file staff.key --store staff --column Badge \
    --values-from badges.txt --output json`

// notFoundError is how a lookup ends that found some values only.
type notFoundError struct{ missing, asked int }

func (e *notFoundError) Error() string {
	return fmt.Sprintf("not found: %d of %d values", e.missing, e.asked)
}

// ExitCode is the exit code for what the command returned.
func ExitCode(err error) int {
	var missing *notFoundError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &missing):
		return exitNotFound
	default:
		return exitError
	}
}

// Command is the command lookup. Its errors never show a value.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use: Name, Short: "Ask a data store whether it holds plain values; only tokens leave this machine",
		Long: long, Example: example, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			web, err := f.Client()
			if err != nil {
				return err
			}
			return f.run(c.Context(), web, c.InOrStdin(), c.OutOrStdout())
		},
	}
	c.SetFlagErrorFunc(flagError)
	f.AddTo(c)
	set := c.Flags()
	set.StringVar(&f.query.Column, "column", "", "searchable column to look in (required)")
	set.StringArrayVar(&f.values, "value", nil, "plain value; may be repeated")
	set.StringVar(&f.valuesFile, "values-from", "", `file with one plain value per line, "-" for stdin, in place of --value: keeps values out of the process list`)
	set.StringArrayVar(&f.sameRow, "same-row", nil, "`COLUMN=VALUE` to compare within the rows found; everything behind the first = is the value, as it stands; may be repeated, for another column")
	set.IntVar(&f.query.Limit, "limit", 10, "rows to show of each value, 1 to 1000")
	set.StringVarP(&f.output, "output", "o", "table", "table or json")
	_ = c.MarkFlagRequired("column") // the flag is there
	return c
}

func (f *flags) run(ctx context.Context, web *http.Client, in io.Reader, out io.Writer) error {
	if err := fingerprint.SelfTest(); err != nil {
		return err
	}
	p, err := f.check(out)
	if err != nil {
		return err
	}
	values, done, err := f.read(in)
	if err != nil {
		return err
	}
	defer done()
	f.query.Store = f.Store
	if f.query.Key, err = f.Key(); err != nil {
		return err
	}
	stores, err := f.Stores(web)
	if err != nil {
		return err
	}
	asker, err := Open(ctx, stores, f.query)
	if err != nil {
		return err
	}
	return f.print(ctx, asker, values, p)
}

// print asks for the values and prints the answers.
func (f *flags) print(ctx context.Context, asker *Asker, values iter.Seq2[Value, error], p printer) error {
	var asked, missing int
	err := asker.Each(ctx, values, func(found Found) error {
		asked++
		if found.Total == 0 {
			missing++
		}
		return p.answer(found)
	})
	if failed := p.end(err); err == nil {
		err = failed
	}
	switch {
	case err != nil:
		return f.named(err)
	case asked == 0:
		return errors.New("--values-from contains no value: give at least one")
	case missing > 0:
		return &notFoundError{missing, asked}
	}
	return nil
}

// named names the value of an error as its flag does.
func (f *flags) named(err error) error {
	var of *ValueError
	switch {
	case !errors.As(err, &of):
		return err
	case f.valuesFile != "":
		return fmt.Errorf("--values-from: line %d: %w", of.Number, of.Err)
	default:
		return fmt.Errorf("--value %d: %w", of.Number, of.Err)
	}
}
