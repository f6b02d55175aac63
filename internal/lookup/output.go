package lookup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// printer writes answers as they come, each in one piece.
type printer interface {
	answer(Found) error
	// end closes the output. why is nil where all values are answered.
	end(why error) error
}

// table prints one line per row found, and one for a value that is nowhere.
type table struct {
	out    io.Writer
	number string // what numbers a value, in capital letters
	begun  bool
}

func (t *table) answer(f Found) error {
	var text strings.Builder
	line := func(number any, found string, row any, same string) {
		one := fmt.Sprintf("%-8v %-7s %-12v %s", number, found, row, same)
		text.WriteString(strings.TrimRight(one, " ") + "\n")
	}
	if !t.begun {
		line(t.number, "FOUND", "ROW", "SAME ROW")
	}
	t.begun = true
	if f.Total == 0 {
		line(f.Value, "no", "-", "-")
	}
	for _, row := range f.Rows {
		matched := strings.Join(row.Matched, ",")
		if matched == "" {
			matched = "-"
		}
		line(f.Value, "yes", row.Row, matched)
	}
	if more := f.Total - int64(len(f.Rows)); more > 0 {
		line(f.Value, "yes", fmt.Sprintf("%d more", more), "")
	}
	_, err := io.WriteString(t.out, text.String())
	return err
}

func (t *table) end(error) error { return nil }

// array prints one JSON array with an element on each line. It is whole after an
// error too: its last element has the error in place of an answer then.
type array struct {
	out   io.Writer
	begun bool
}

func (a *array) answer(f Found) error { return a.element(f) }

func (a *array) end(why error) error {
	if why != nil {
		if err := a.element(unanswered(why)); err != nil {
			return err
		}
	}
	if !a.begun {
		return nil
	}
	_, err := io.WriteString(a.out, "\n]\n")
	return err
}

func (a *array) element(e any) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	before := ",\n"
	if !a.begun {
		before = "[\n"
	}
	a.begun = true
	_, err = io.WriteString(a.out, before+string(text))
	return err
}

// unanswered is the element of an error.
func unanswered(err error) any {
	e := struct {
		Value int    `json:"value,omitempty"`
		Error string `json:"error"`
	}{Error: err.Error()}
	var of *ValueError
	if errors.As(err, &of) {
		e.Value, e.Error = of.Number, of.Err.Error()
	}
	return e
}
