package main

import "exactmatch.dev/operator/hack/measure"

func cpuPerRow(s measure.Sample) float64  { return float64(s.CPU) / float64(s.Rows) }
func wallPerRow(s measure.Sample) float64 { return float64(s.Wall) / float64(s.Rows) }
func cpuMBps(s measure.Sample) float64    { return float64(s.Bytes) / 1e6 / s.CPU.Seconds() }
func wallMBps(s measure.Sample) float64   { return float64(s.Bytes) / 1e6 / s.Wall.Seconds() }

// allCPU counts the service's time with the uploader's.
func allCPU(s measure.Sample) float64 { return s.CPU.Seconds() + s.Parts[measure.PartServiceCPU] }
