package lookup

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"exactmatch.dev/operator/internal/live"
)

// flags are the flags of the lookup command.
type flags struct {
	live.Connection
	query              Query
	output, valuesFile string
	values, sameRow    []string
}

// noArgs is cobra.NoArgs without the argument: it may be a part of a value.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("lookup takes flags only: put a value that has spaces into quotes")
	}
	return nil
}

// flagError is why the flags cannot be read, without what was given: it may be a
// part of a value.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var alone *pflag.ValueRequiredError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s does not take this value: it is a flag of type %s", invalid.GetFlag().Name, invalid.GetFlag().Value.Type())
	case errors.As(err, &alone):
		return fmt.Errorf("--%s needs a value", alone.GetFlag().Name)
	case errors.Is(err, pflag.ErrHelp):
		return err
	}
	return errors.New("an argument with a leading dash is not a flag of lookup (see lookup --help); give a value that has one as --value=-…")
}

// check names the first flag whose value cannot be, and reads --same-row and
// --output.
func (f *flags) check(out io.Writer) (printer, error) {
	if len(f.values) == 0 && f.valuesFile == "" {
		return nil, errors.New("give at least one --value, or --values-from")
	}
	if len(f.values) > 0 && f.valuesFile != "" {
		return nil, errors.New("give --value or --values-from, not both: answers are numbered by the one or the other")
	}
	for i, v := range f.values {
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("--value %d: %w", i+1, errNotUTF8)
		}
	}
	var err error
	if f.query.SameRow, err = cells(f.sameRow); err != nil {
		return nil, err
	}
	if f.query.Limit < 1 || f.query.Limit > 1000 {
		return nil, errors.New("--limit must be 1 to 1000")
	}
	switch f.output {
	case "table":
		number := "VALUE"
		if f.valuesFile != "" {
			number = "LINE"
		}
		return &table{out: out, number: number}, nil
	case "json":
		return &array{out: out}, nil
	}
	return nil, errors.New("--output must be table or json")
}

// cells reads COLUMN=VALUE. Everything behind the first = is the value.
func cells(texts []string) ([]Cell, error) {
	var out []Cell
	for i, text := range texts {
		column, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--same-row %d must be COLUMN=VALUE: it has no =", i+1)
		}
		out = append(out, Cell{column, value})
	}
	return out, nil
}

// read opens the values. done closes them.
func (f *flags) read(stdin io.Reader) (values iter.Seq2[Value, error], done func(), err error) {
	switch f.valuesFile {
	case "":
		return numbered(f.values), func() {}, nil
	case "-":
		return readLines(stdin), func() {}, nil
	}
	file, err := os.Open(f.valuesFile)
	if err != nil {
		return nil, nil, fmt.Errorf("--values-from: %w", err)
	}
	return readLines(file), func() { _ = file.Close() }, nil
}

func numbered(texts []string) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for i, text := range texts {
			if !yield(Value{i + 1, text}, nil) {
				return
			}
		}
	}
}
