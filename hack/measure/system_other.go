//go:build !linux

package measure

import (
	"errors"
	"syscall"
	"time"
)

var errSystem = errors.New("the measurements read /proc: run them on Linux")

// CheckSystem says where nothing can be measured.
func CheckSystem() error { return errSystem }

// CPUTime is known on Linux only, as everything here.
func CPUTime() time.Duration { return 0 }

// PeakMemory is known on Linux only.
func PeakMemory(int) (int64, error) { return 0, errSystem }

// UsageOf is known on Linux only.
func UsageOf(int) (Usage, error) { return Usage{}, errSystem }

// FreeBytes is known on Linux only.
func FreeBytes(string) (int64, error) { return 0, errSystem }

// DiesWithUs has no means beyond Linux.
func DiesWithUs() *syscall.SysProcAttr { return nil }

// GiveWay is not known here.
func GiveWay() error { return errSystem }
