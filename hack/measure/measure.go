// Package measure is what all measurements share: the processes that do the work,
// the machine, samples and their statistics, the format of a run, and reports. Each
// measurement is a command below it: bench, limits, controlplane, growth.
package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Main runs a command until it ends or is interrupted.
func Main(name string, run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Parse reads a command's flags; it takes no other arguments.
func Parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	return nil
}

// mostOf is the largest number in a list of numbers.
const mostOf = 1_000_000_000

// Numbers reads the value of a flag that lists numbers, and returns them in order.
func Numbers(flag, text string, least int) ([]int, error) {
	var numbers []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < least || n > mostOf {
			return nil, fmt.Errorf("%s: %q is not a number from %d to %d; separate numbers by commas", flag, word, least, mostOf)
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// Say tells of a run while it goes on.
func Say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// ChildArgument is the one argument of the process that does a task.
const ChildArgument = "child"

// Child does a task in a process of its own, a program with ChildArgument: the task
// comes as JSON on its standard input, and what it found goes to standard output.
func Child(ctx context.Context, program string, env []string, task, found any) error {
	input, err := json.Marshal(task)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, ChildArgument)
	cmd.Stdin, cmd.Env = bytes.NewReader(input), env
	return Finish(cmd, found)
}

// DoTask is what the process of Child does.
func DoTask[Task, Found any](ctx context.Context, do func(context.Context, Task) (Found, error)) error {
	var task Task
	if err := json.NewDecoder(os.Stdin).Decode(&task); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	found, err := do(ctx, task)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// Finish runs a process that prints what it found as JSON on its last line.
func Finish(cmd *exec.Cmd, found any) error {
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &trouble, DiesWithUs()
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, LastLine(trouble.String()))
	}
	if err := json.Unmarshal([]byte(LastLine(out.String())), found); err != nil {
		return fmt.Errorf("%s did not print what it found: %w", filepath.Base(cmd.Path), err)
	}
	return nil
}

// Output runs a program and returns its last line.
func Output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // programs that the callers name
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, LastLine(string(failed.Stderr)))
	}
	return LastLine(string(out)), err
}

// LastLine of a text.
func LastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Until asks at each interval until the answer is yes, or fails once ctx is done.
func Until(ctx context.Context, interval time.Duration, what string, is func() (bool, error)) error {
	every := time.NewTicker(interval)
	defer every.Stop()
	for {
		if done, err := is(); err != nil || done {
			return err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("timed out waiting until %s: %w", what, ctx.Err())
		}
	}
}
