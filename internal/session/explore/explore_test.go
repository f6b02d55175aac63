package explore

import (
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/session"
)

// whole is the exploration of the lifecycle as it is.
var whole = sync.OnceValues((&Model{Next: session.Next}).Explore)

// explored is the whole graph; a violation ends every test that needs it.
func explored(t *testing.T) *Graph {
	t.Helper()
	g, v := whole()
	if v != nil {
		t.Fatal(v)
	}
	return g
}

// Floors of the exploration. They fall where somebody narrows the model.
const (
	fewestStates      = 110_000
	fewestTransitions = 2_200_000
)

// TestEverythingThatCanHappen visits every State and finds every invariant kept
// and every end within reach.
func TestEverythingThatCanHappen(t *testing.T) {
	t.Parallel()
	g := explored(t)
	t.Logf("%d states, %d transitions, %d of %d cells", len(g.States), g.Transitions, len(g.Cells), len(session.Situations)*int(desired))
	if len(g.States) < fewestStates || g.Transitions < fewestTransitions {
		t.Errorf("%d states and %d transitions, want at least %d and %d", len(g.States), g.Transitions, fewestStates, fewestTransitions)
	}
}

// TestEveryCellIsReached holds the cells that decided against those that can.
func TestEveryCellIsReached(t *testing.T) {
	t.Parallel()
	g := explored(t)
	for _, situation := range session.Situations {
		for w := range desired {
			cell, why := CellOf(situation, w), whyNever(situation, w)
			switch reached := len(g.Cells[cell]); {
			case reached == 0 && why == "":
				t.Errorf("%s decides in no world", cell)
			case reached > 0 && why != "":
				t.Errorf("%s decides in %d states, although %s", cell, reached, why)
			}
		}
	}
}

// whyNever says why a situation is never observed under a desired state, "" where it is.
// The table is total all the same.
func whyNever(s session.Situation, w Desired) string {
	switch s {
	case session.Invalid, session.InvalidOpen, session.Unprepared, session.UnpreparedOpen, session.Outdated,
		session.AlreadyLive, session.Guarded, session.Broken, session.Renamed:
		if !w.Uploads() {
			return "what ends or parks a session does not depend on its source"
		}
	case session.SealedGuarded:
		if w != Committed {
			return "what is sealed is judged at its commit"
		}
	}
	return ""
}
