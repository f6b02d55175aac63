package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// build is a state of the code: this program, and the operator's binary.
type build struct {
	bench, operator string
	suffix          string // of the ids of its cases
}

// againstSuffix tells the cases of another build from those of this one.
const againstSuffix = "@against"

// buildsOf are this build and, where asked, another one, in a folder that has both
// its programs.
func buildsOf(o options) ([]build, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	builds := []build{{bench: self, operator: o.service}}
	if o.against != "" {
		builds = append(builds, build{filepath.Join(o.against, "bench"), filepath.Join(o.against, "exactmatch"), againstSuffix})
	}
	for i := range builds {
		b := &builds[i]
		for _, program := range []*string{&b.bench, &b.operator} {
			if *program, err = filepath.Abs(*program); err != nil {
				return nil, err
			}
			if _, err := os.Stat(*program); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("there is no %s: run 'make build', or name the operator's binary with -service, and with -against a folder with another build's exactmatch and bench", *program)
			}
		}
	}
	return builds, nil
}
