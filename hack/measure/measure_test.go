package measure

import (
	"errors"
	"flag"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestListsOfNumbers(t *testing.T) {
	if got, err := Numbers("-rows", "300, 100,200,100", 100); err != nil || !slices.Equal(got, []int{100, 200, 300}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []string{"", "ten", "99", "1000000001", "100,,200"} {
		if got, err := Numbers("-rows", wrong, 100); err == nil || !strings.Contains(err.Error(), "-rows") {
			t.Errorf("%q is %v, %v", wrong, got, err)
		}
	}
}

func TestFlagsAreTheOnlyArguments(t *testing.T) {
	for _, args := range [][]string{{"more"}, {"-unknown"}} {
		f := flag.NewFlagSet("test", flag.ContinueOnError)
		f.SetOutput(io.Discard)
		if err := Parse(f, args); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(args[0], "-")) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// What a process found is its last line; what went wrong is the last line of its
// standard error.
func TestProcessesPrintWhatTheyFound(t *testing.T) {
	var found Sample
	if err := Finish(exec.CommandContext(t.Context(), "sh", "-c", `echo noise; echo '{"rows": 7}'`), &found); err != nil || found.Rows != 7 {
		t.Errorf("%+v, %v", found, err)
	}
	if err := Finish(exec.CommandContext(t.Context(), "sh", "-c", "echo noise"), &found); err == nil {
		t.Error("a process that prints no JSON has found something")
	}
	err := Finish(exec.CommandContext(t.Context(), "sh", "-c", "echo first >&2; echo the reason >&2; exit 3"), &found)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasSuffix(err.Error(), ": the reason") {
		t.Errorf("%v", err)
	}
}

func TestUntil(t *testing.T) {
	asked := 0
	if err := Until(t.Context(), time.Millisecond, "asked three times", func() (bool, error) { asked++; return asked == 3, nil }); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	wrong := errors.New("wrong")
	if err := Until(t.Context(), time.Millisecond, "never", func() (bool, error) { return false, wrong }); !errors.Is(err, wrong) {
		t.Error(err)
	}
}

// The usage of a process is that of /proc.
func TestUsageOfAProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "read line")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u, err := UsageOf(cmd.Process.Pid)
	if peak, peakErr := PeakMemory(cmd.Process.Pid); err != nil || peakErr != nil || u.Peak < u.Now || u.Peak > peak || peak <= 0 {
		t.Errorf("%+v, peak %d, %v, %v", u, peak, err, peakErr)
	}
	if err := errors.Join(input.Close(), cmd.Wait()); err == nil {
		t.Error("read ended well without a line")
	}
	if _, err := UsageOf(cmd.Process.Pid); err == nil {
		t.Error("a process that ended has a usage")
	}
}
