package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// pure are the packages that gremlins mutates: their tests take a second or two.
// Those of internal/table take longer, and it has a thousand mutants; its guards
// are held by fuzz targets and models.
var pure = []string{
	"internal/block", "internal/dial", "internal/edm", "internal/fingerprint", "internal/plan", "internal/policy", "internal/session", "internal/version",
}

// coefficient is how many times as long as the whole package's tests a mutant may
// take: it is built as well, on a machine that may be busy.
const coefficient = "60"

// report is what gremlins writes.
type report struct {
	Files []struct {
		Name      string `json:"file_name"`
		Mutations []struct {
			Type, Status string
			Line, Column int
		} `json:"mutations"`
	} `json:"files"`
}

func (w *work) mutatePure(ctx context.Context) error {
	chosen, err := regexp.Compile("^(?:" + w.options.pure + ")$")
	if err != nil {
		return fmt.Errorf("-pure: %w", err)
	}
	met := 0
	for _, name := range pure {
		if w.options.pure != "" && !chosen.MatchString(name) {
			continue
		}
		met++
		found, err := w.gremlins(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.table.pure[name] = found.score(name)
		if err := w.write(); err != nil {
			return err
		}
	}
	if met == 0 {
		return fmt.Errorf("no pure package is called %s", w.options.pure)
	}
	return nil
}

// gremlins mutates one package, in copies of the module.
func (w *work) gremlins(ctx context.Context, name string) (*report, error) {
	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	output := filepath.Join(scratch, "report.json")
	//nolint:gosec // the program is the one that the caller names
	command := exec.CommandContext(ctx, w.options.gremlins, "unleash", "--silent", "--workers=1",
		"--timeout-coefficient="+coefficient, "--exclude-files=/", "--output="+output, "./"+name)
	command.Dir, command.Stdout, command.Stderr = w.root, os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(output)
	if err != nil {
		return nil, err
	}
	found := &report{}
	return found, json.Unmarshal(text, found)
}

// score counts the mutants, and says which ones lived.
func (r *report) score(name string) score {
	var s score
	for _, f := range r.Files {
		for _, m := range f.Mutations {
			switch m.Status {
			case "KILLED":
				s.Killed++
			case "TIMED OUT":
				s.TimedOut++
			case "NOT COVERED":
				s.NotCovered++
			case "LIVED":
				s.Lived++
				fmt.Printf("%s/%s:%d:%d %s lived\n", name, f.Name, m.Line, m.Column, m.Type)
			}
		}
	}
	fmt.Printf("%-34s %d killed, %d by timeout, %d lived, %d not covered\n", name, s.Killed, s.TimedOut, s.Lived, s.NotCovered)
	return s
}
