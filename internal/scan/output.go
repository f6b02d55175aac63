package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// printerOf prints finds as they come, each on a line.
func printerOf(output string, out io.Writer) (func(Find) error, error) {
	switch output {
	case "text":
		return func(f Find) error {
			_, err := io.WriteString(out, f.line())
			return err
		}, nil
	case "json":
		return func(f Find) error {
			text, err := json.Marshal(f)
			if err != nil {
				return err
			}
			_, err = out.Write(append(text, '\n'))
			return err
		}, nil
	}
	return nil, errors.New("--output must be text or json")
}

// line is a find for people.
func (f Find) line() string {
	lines := strconv.FormatInt(f.Lines.Start, 10)
	if f.Lines.End > f.Lines.Start {
		lines += "-" + strconv.FormatInt(f.Lines.End, 10)
	}
	return fmt.Sprintf("%s:%s: bytes %d-%d: row %d of %s: %s\n",
		shown(f.File), lines, f.Bytes.Start, f.Bytes.End, f.Row, f.Store, strings.Join(f.Columns, ", "))
}

// shown is a file's name on one line.
func shown(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}
