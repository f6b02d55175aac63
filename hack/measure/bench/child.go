package main

import (
	"context"
	"fmt"

	"exactmatch.dev/operator/hack/measure"
)

// task is what a child process is to do: one case, once. It comes as JSON on
// standard input; the sample goes as JSON to standard output.
type task struct {
	Case benchCase `json:"case"`
	// Table is the file of the case's table.
	Table string `json:"table"`
	// Work is a folder for what the case writes.
	Work string `json:"work"`
	// Service is the operator's binary.
	Service string `json:"service"`
	// Sum asks for the sum of the tokens, outside of what is measured.
	Sum bool `json:"sum"`
}

// work is how a kind of case runs in its process.
type work func(ctx context.Context, t task) (*measure.Sample, error)

var works = map[string]work{
	kindPlain: plainCase, kindOurs: oursCase, kindFloor: floorCase, kindPrepare: prepareCase, kindSHA256: sha256Case,
	kindEndToEnd: endToEndCase, kindPods: podsCase, kindHTTP: httpCase, kindTCP: tcpCase, kindService: serviceCase, kindDisk: diskCase, kindProbe: probeCase,
}

// runTask does a task in its process.
func runTask(ctx context.Context, t task) (*measure.Sample, error) {
	if _, err := codePath(); err != nil {
		return nil, err
	}
	do := works[t.Case.Kind]
	if do == nil {
		return nil, fmt.Errorf("no such kind of case: %q", t.Case.Kind)
	}
	return do(ctx, t)
}

// probeCase tells the path that the process takes.
func probeCase(context.Context, task) (*measure.Sample, error) {
	path, err := codePath()
	return &measure.Sample{Text: path}, err
}
