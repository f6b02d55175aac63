//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errSystem = errors.New("the benchmarks read /proc: run them on Linux")

// checkSystem says where the benchmarks cannot run.
func checkSystem() error { return errSystem }

func cpuTime() time.Duration               { return 0 }
func peakMemory(string) (int64, error)     { return 0, errSystem }
func cpuTimeOf(int) (time.Duration, error) { return 0, errSystem }
func freeBytes(string) (int64, error)      { return 0, errSystem }
func diesWithUs() *syscall.SysProcAttr     { return nil }
