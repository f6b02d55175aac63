package main

import (
	"context"
	"fmt"

	"exactmatch.dev/operator/hack/measure"
)

// work is how a kind of case runs in its process.
type work func(ctx context.Context, t task) (*measure.Sample, error)

var works = map[string]work{
	kindPlain: plainCase, kindOurs: oursCase, kindFloor: floorCase, kindPrepare: prepareCase, kindSHA256: sha256Case,
	kindEndToEnd: endToEndCase, kindPods: podsCase, kindHTTP: httpCase, kindTCP: tcpCase, kindService: serviceCase, kindDisk: diskCase, kindIndex: indexCase, kindProbe: probeCase,
	kindMatch: matchCase(openOurs), kindRedis: matchCase(openRedis),
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
