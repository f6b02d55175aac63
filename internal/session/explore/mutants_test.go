package explore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/session"
)

// TestPlantedErrorsAreFound plants errors that somebody could make. None of them
// needs a rule about steps: what comes of them breaks an invariant.
func TestPlantedErrorsAreFound(t *testing.T) {
	t.Parallel()
	g := explored(t)
	for _, one := range []struct {
		situation session.Situation
		desired   Desired
		step      session.Step
		found     string
	}{
		{session.Sealed, Uploaded, session.StepCommit, "I2: published although it is not desired"},
		{session.SealedGuarded, Committed, session.StepCommit, "I2: published what a guard"},
		{session.Outdated, Committed, session.StepCommit, "I2: published other content"},
		{session.Renamed, Committed, session.StepCommit, "I2: published under another name"},
		{session.QueuedOpen, Committed, session.StepCommit, "I2: published without admission"},
		{session.InDoubt, Committed, session.StepPlan, "S1: two sessions that nobody claims"},
		{session.InDoubt, DeleteCancel, session.StepRemoveFinalizer, "D: the deletion does not wait"},
		{session.Open, DeleteCancel, session.StepRemoveFinalizer, "D: the session stays unfinished"},
		{session.Completed, DeleteRemote, session.StepRemoveFinalizer, "D: the session stays under deletionPolicy Delete"},
		{session.Open, Suspended, session.StepCancel, "A: a suspended or orphaned object"},
		{session.Lost, Committed, session.StepCompleted, "I4: the outcome says what is not so"},
		{session.CancelledByOthers, Cancelled, session.StepTooLate, "I4: the outcome says what is not so"},
		{session.CancelledByUs, Committed, session.StepCancelledRemotely, "I4: the outcome says what is not so"},
		{session.Completed, Committed, session.StepRestart, "S2: a second commit"},
		{session.AlreadyLive, Committed, session.StepPlan, "P1"},
		{session.Guarded, Committed, session.StepQueue, "P1"},
		{session.Queued, Committed, session.StepPrepare, "P1"},
		{session.RenewalDue, Committed, session.StepUpload, "P1"},
		{session.Processing, Suspended, session.StepCancelled, "I4: the outcome says what is not so"},
		{session.Outdated, Committed, session.StepRestart, "S1: an unfinished session is forgotten"},
	} {
		cell := CellOf(one.situation, one.desired)
		name, m := fmt.Sprintf("%s = %s", cell, one.step), Model{Next: Planted(cell, one.step), Lenient: true}
		v := g.Mutate(m, cell, Bounds{Seeds: 100, Beyond: 1000})
		if v == nil { // beyond the bounds of a mutant
			v = find(m)
		}
		if v == nil || !strings.HasPrefix(v.Invariant, one.found) {
			t.Errorf("%s: found %v, want %q", name, v, one.found)
			continue
		}
		t.Logf("%s: %v", name, v)
	}
}

// TestEveryMutantOfTheTable plants each other step in each cell that is reached.
func TestEveryMutantOfTheTable(t *testing.T) {
	t.Parallel()
	g := explored(t)
	byInvariant, mutants := map[string]int{}, 0
	for cell := range g.Cells {
		right := g.StepOf(cell)
		for _, step := range allSteps() {
			if step == right {
				continue
			}
			mutants++
			invariant := g.caughtBy(cell, step)
			byInvariant[invariant]++
			if invariant == "survived" {
				t.Errorf("%s = %s instead of %s is not found", cell, step, right)
			}
		}
	}
	t.Logf("%d cells, %d mutants: %v", len(g.Cells), mutants, byInvariant)
	if fewest := 3000; mutants < fewest {
		t.Errorf("%d mutants, want at least %d", mutants, fewest)
	}
	if rights := byInvariant["A alone"]; rights*5 > mutants {
		t.Errorf("%d of %d mutants break no invariant but the rights of steps", rights, mutants)
	}
}

// caughtBy is the class of invariants that finds a mutant: one of what comes of
// it, or, where nothing comes of it, only the rights of steps.
func (g *Graph) caughtBy(cell Cell, step session.Step) string {
	most := Bounds{Seeds: 16, Beyond: 200}
	if v := g.Mutate(Model{Next: Planted(cell, step), Lenient: true}, cell, most); v != nil {
		class, _, _ := strings.Cut(v.Invariant, ":")
		return class
	}
	if v := g.Mutate(Model{Next: Planted(cell, step)}, cell, most); v != nil {
		return "A alone"
	}
	return "survived"
}

// allSteps are the steps that stand anywhere in the table.
func allSteps() []session.Step {
	var all []session.Step
	for step := range acts {
		all = append(all, step)
	}
	for step := range outcomes {
		all = append(all, step)
	}
	slices.Sort(all)
	return all
}
