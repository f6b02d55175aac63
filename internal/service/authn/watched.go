package authn

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
)

// watched is a file that is read again where it has changed. While what it holds cannot be
// used, the last good one applies. Its owner locks.
type watched[T any] struct {
	flag, path string // path is "" where the flag is not given
	parse      func([]byte) (T, error)
	log        *slog.Logger

	text    []byte
	good    T
	problem string
}

// open reads the file at the start, when there is no last good one.
func (w *watched[T]) open() error {
	if w.path == "" {
		return nil
	}
	text, err := os.ReadFile(w.path)
	if err != nil {
		return fmt.Errorf("%s: %w", w.flag, err)
	}
	if w.good, err = w.parse(text); err != nil {
		return fmt.Errorf("%s: %s: %w", w.flag, w.path, err)
	}
	w.text = text
	return nil
}

// look reads the file again. One that could not be used is tried each time, since what it is
// held against may have changed.
func (w *watched[T]) look() {
	if w.path == "" {
		return
	}
	text, err := os.ReadFile(w.path)
	if err == nil && w.problem == "" && bytes.Equal(text, w.text) {
		return
	}
	var next T
	if err == nil {
		next, err = w.parse(text)
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.good, w.text, w.problem = next, text, ""
	w.log.Info("reloaded a file of authentication", "flag", w.flag, "path", w.path)
}

// fail keeps the last good one, and says so once a problem.
func (w *watched[T]) fail(err error) {
	if err.Error() == w.problem {
		return
	}
	w.problem = err.Error()
	w.log.Error("a file of authentication cannot be used, so the last good one applies: correct it", "flag", w.flag, "path", w.path, "error", err)
}
