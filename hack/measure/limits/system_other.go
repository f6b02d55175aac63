//go:build !linux

package main

import (
	"errors"
	"syscall"
)

var errSystem = errors.New("memory is read from /proc: run it on Linux")

// checkSystem says where the limits cannot be measured.
func checkSystem() error { return errSystem }

func peakMemory(int) (int64, error)    { return 0, errSystem }
func freeBytes(string) (int64, error)  { return 0, errSystem }
func diesWithUs() *syscall.SysProcAttr { return nil }
func processor() string                { return "" }
