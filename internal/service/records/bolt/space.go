package bolt

import (
	"errors"
	"strings"
	"syscall"
)

// fullError is an error of bbolt that means a full disk, and says so to errors.Is.
type fullError struct {
	error
	full syscall.Errno
}

func (e *fullError) Unwrap() []error { return []error{e.error, e.full} }

// noSpace marks an error that means a full disk: bbolt passes some on as text only.
func noSpace(err error) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if !errors.Is(err, full) && strings.HasSuffix(err.Error(), ": "+full.Error()) {
			return &fullError{err, full}
		}
	}
	return err
}
