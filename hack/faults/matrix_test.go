package faults_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	all   = flag.Bool("all", false, "run every case of the matrix, not the seed's subset")
	only  = flag.String("case", "", "run the cases whose names match the regular expression")
	seed  = flag.Uint64("seed", 1, "chooses the subset and the order")
	some  = flag.Int("subset", 40, "how many cases the subset has")
	table = flag.String("table", "", "write the table of counts to this file")
)

// matrixCase is one cell: a step, what strikes the manager in it, and the fault
// that the calls meet by which the step is done, or found out about afterwards.
type matrixCase struct {
	step       step
	disruption disruption
	fault      fault
}

func (c matrixCase) String() string {
	return c.step.name + "/" + c.disruption.name + "/" + c.fault.name
}

var noFault = fault{name: "none"}

// enumerate lists the matrix: every disruption of every step alone, every fault of
// every step alone, and the faults that a successor can meet after the
// disruptions that leave a call in doubt.
func enumerate() []matrixCase {
	var cases []matrixCase
	for _, s := range steps() {
		for _, d := range disruptions {
			for _, x := range faultsOf(s, d) {
				one := fresh(s.name)
				if s.seals() && sealed[d.name] {
					one.around = anySession
				}
				cases = append(cases, matrixCase{one, d, x})
			}
		}
	}
	return cases
}

// fresh makes a step anew, for those that count.
func fresh(name string) step {
	all := steps()
	return all[slices.IndexFunc(all, func(s step) bool { return s.name == name })]
}

// faultsOf are the faults that make sense in a step under a disruption.
func faultsOf(s step, d disruption) []fault {
	switch {
	case s.alone && d.at != nowhere:
		return nil
	case d.at == atStep && !d.in[s.name]:
		return nil
	case d.at == atCall && (s.call == nil || d.ofPods != s.podCalls), d.at == atWrite && s.write == nil:
		return nil
	case d.name == "conflict" && s.write.verb == creates: // nobody can change it before
		return nil
	case s.quiet:
		return []fault{noFault}
	case d.at == nowhere:
		return faultsAlone(s)
	case inDoubt[d.name]:
		return append([]fault{noFault}, faultsAfter(s, d)...)
	}
	return []fault{noFault}
}

// inDoubt are the disruptions after which somebody must find out what a call has
// done.
var inDoubt = map[string]bool{
	"crash-before-call": true, "crash-after-call": true, "leader-change-in-call": true, "crash-before-write": true,
	"pod-dies-before-call": true, "pod-dies-after-call": true,
}

// seals: the step is the end of an upload.
func (s step) seals() bool { return s.name == "seal" || s.name == "pods-seal" }

// sealed are the disruptions after which the seal may have had its effect: whoever
// goes on then finds out by reading the session, and has no use for its blocks.
var sealed = map[string]bool{"crash-after-call": true, "leader-change-in-call": true}

// faultsAfter meet the first calls of whoever goes on.
func faultsAfter(s step, d disruption) []fault {
	switch {
	case s.around == nil:
		return nil
	case s.name == "prepare", s.name == "pods-read":
		return []fault{resetBefore, named("503"), stalled}
	case s.name == "pods-stage":
		return []fault{resetBefore, replyLost, named("503"), stalled, requestCut}
	case s.name == "upload", s.seals() && !sealed[d.name]:
		return []fault{resetBefore, replyLost, named("503"), stalled, requestCut, revoked}
	}
	return []fault{resetBefore, replyLost, named("429-retry-after"), named("503"), stalled, html}
}

func named(name string) fault {
	return statuses[slices.IndexFunc(statuses, func(x fault) bool { return x.name == name })]
}

// faultsAlone meet the step's own call.
func faultsAlone(s step) []fault {
	if s.inPods && s.call == nil {
		return nil // what the manager writes for pods has no part in the service
	}
	faults := slices.Clone(skews)
	switch s.name {
	case "queue", "plan":
		return faults
	case "pods-renew":
		return []fault{named("503"), resetBefore, replyLost, unanswered, newHost, forgotten("Forgotten")}
	case "prepare", "pods-read":
		return append(faults, resetBefore, resetInHead, resetInBody, named("408"), named("429"), named("500"), named("502"), named("503"), named("504"), html502, slow, stalled, unanswered)
	case "upload", "seal", "pods-stage", "pods-seal":
		return append(append(faults, statuses...), blobFaults(s)...)
	}
	faults = append(append(faults, statuses...), resetBefore, resetInHead, replyLost, unanswered, html502)
	if !s.answersNothing {
		faults = append(faults, resetInBody, slow, stalled, html, truncated)
	}
	return append(faults, stateFaults(s)...)
}

func blobFaults(s step) []fault {
	faults := []fault{resetBefore, resetInHead, replyLost, unanswered, html502, requestCut, requestSlow, requestStalled, revoked, expired, forgotten("Forgotten|StorageRefused")}
	if s.name == "upload" || s.name == "pods-stage" {
		faults = append(faults, corrupted)
	}
	return faults
}

// stateFaults are answers that say something strange of the session.
func stateFaults(s step) []fault {
	switch s.name {
	case "adopt":
		return []fault{anothersList}
	case "create":
		return []fault{anothersSession, empty, requestCut, requestSlow, requestStalled}
	case "commit":
		return []fault{forgotten("Forgotten")}
	case "watch":
		return []fault{unknownState, countersUp, empty, anothersSession, firstAnswer, forgotten("Forgotten")}
	case "renew":
		return []fault{unknownState, countersUp, empty, newHost, forgotten("Forgotten")}
	case "cancel", "supersede", "delete":
		return []fault{forgotten("")}
	}
	return nil
}

// TestNamesAreUnique: a name replays one case and no other.
func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range enumerate() {
		if seen[c.String()] {
			t.Errorf("%s stands twice", c)
		}
		seen[c.String()] = true
	}
}

// TestMatrix runs the cases. A name alone replays a case:
// go test ./hack/faults -run TestMatrix -case 'commit/crash-after-call/none'.
func TestMatrix(t *testing.T) {
	cases := chosen(t, enumerate())
	counts := newCounts()
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				defer func() { counts.add(c, t.Failed()) }()
				c.run(t)
			})
		}
	})
	t.Logf("%s", counts.line())
	if *table != "" {
		if err := os.WriteFile(*table, []byte(counts.markdown()), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// chosen are the cases to run: all, those of a name, or a subset of the seed.
func chosen(t *testing.T, cases []matrixCase) []matrixCase {
	t.Helper()
	dice := rand.New(rand.NewPCG(*seed, *seed))
	dice.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	switch {
	case *only != "":
		name, err := regexp.Compile("^(?:" + *only + ")$")
		if err != nil {
			t.Fatalf("-case: %v", err)
		}
		cases = slices.DeleteFunc(cases, func(c matrixCase) bool { return !name.MatchString(c.String()) })
		if len(cases) == 0 {
			t.Fatalf("no case is called %s", *only)
		}
	case !*all:
		cases = cases[:min(*some, len(cases))]
	}
	return cases
}

// TestMatrixIsWhole: the table that is kept says how many cases there are, and none
// may go missing.
func TestMatrixIsWhole(t *testing.T) {
	text, err := os.ReadFile("MATRIX.md")
	if err != nil {
		t.Fatal(err)
	}
	kept := regexp.MustCompile(`(?m)^\| \*\*all\*\* .*\| (\d+) \|`).FindSubmatch(text)
	if kept == nil {
		t.Fatal("MATRIX.md has no line of all cases")
	}
	var want int
	if _, err := fmt.Sscan(string(kept[1]), &want); err != nil {
		t.Fatal(err)
	}
	if have := len(enumerate()); have < want {
		t.Errorf("%d cases are enumerated, the table has %d: run make faults, or say why cases went away", have, want)
	}
}

// counts are what came of the cases.
type counts struct {
	mu     sync.Mutex
	ran    map[string]map[string]int // step → disruption
	failed map[string]int            // by step
	faults map[string]int
}

func newCounts() *counts {
	return &counts{ran: map[string]map[string]int{}, failed: map[string]int{}, faults: map[string]int{}}
}

func (n *counts) add(c matrixCase, failed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ran[c.step.name] == nil {
		n.ran[c.step.name] = map[string]int{}
	}
	n.ran[c.step.name][c.disruption.name]++
	n.faults[c.fault.name]++
	if failed {
		n.failed[c.step.name]++
	}
}

func (n *counts) totals() (ran, failed int) {
	for _, row := range n.ran {
		for _, k := range row {
			ran += k
		}
	}
	for _, k := range n.failed {
		failed += k
	}
	return ran, failed
}

func (n *counts) line() string {
	ran, failed := n.totals()
	return fmt.Sprintf("%d cases of %d, %d failed (seed %d)", ran, len(enumerate()), failed, *seed)
}

// markdown is the table of counts.
func (n *counts) markdown() string {
	var b strings.Builder
	b.WriteString("# The matrix of faults\n\nWritten by `make faults`; do not edit. A row is a step of a session's way, a column what strikes the\n" +
		"manager, the service, the objects or their clocks in it, a number how many faults of the service were met with\n" +
		"it, one of them none. In the steps named pods- the agent's workers are pods, in those named reviewed- the source\n" +
		"changed after the seal. Each case runs against a real API server and the real service, and asserts the end: the\n" +
		"desired state is reached or the condition says why not, and what it advises helps; what is live was prepared, guarded\n" +
		"and reviewed, by a reading of the case's own; lookups find its rows, miss rows that the table does not have, and are refused under\n" +
		"other rules or another key; every object says what the service says by then, in conditions that kstatus reads;\n" +
		"one remote session per attempt, orphans cancelled, another cluster's session of the same content left alone; no\n" +
		"acknowledged block sent again; every lookup meanwhile answered from the old table or the new one; nothing\n" +
		"secret in status, Jobs and pods; nothing left after the deletion. A case whose fault met nothing fails.\n\n| step |")
	for _, d := range disruptions {
		fmt.Fprintf(&b, " %s |", d.name)
	}
	b.WriteString(" cases | failed |\n|---|" + strings.Repeat("---:|", len(disruptions)+2) + "\n")
	columns := make([]int, len(disruptions))
	for _, s := range steps() {
		fmt.Fprintf(&b, "| %s |", s.name)
		sum := 0
		for i, d := range disruptions {
			k := n.ran[s.name][d.name]
			sum += k
			columns[i] += k
			fmt.Fprintf(&b, " %s |", blank(k))
		}
		fmt.Fprintf(&b, " %d | %d |\n", sum, n.failed[s.name])
	}
	b.WriteString("| **all** |")
	for _, k := range columns {
		fmt.Fprintf(&b, " %s |", blank(k))
	}
	ran, failed := n.totals()
	fmt.Fprintf(&b, " %d | %d |\n\n| strikes | |\n|---|---|\n", ran, failed)
	for _, d := range disruptions {
		fmt.Fprintf(&b, "| %s | %s |\n", d.name, d.says)
	}
	b.WriteString("\n| fault of the service, or of the way to it | cases |\n|---|---:|\n")
	for _, name := range slices.Sorted(maps.Keys(n.faults)) {
		fmt.Fprintf(&b, "| %s | %d |\n", name, n.faults[name])
	}
	return b.String()
}

func blank(k int) string {
	if k == 0 {
		return ""
	}
	return fmt.Sprint(k)
}
