package explore

import (
	"time"

	"exactmatch.dev/operator/internal/session"
)

// Next decides the step of a pass, as session.Next does.
type Next func(session.Desired, session.Facts, time.Time) session.Step

// Model is one way for everything to behave.
type Model struct {
	Next  Next
	Flaws Flaw
	// Lenient: nobody asks whether a step was right, only whether what comes of it
	// is. It tells how much the invariants find by themselves.
	Lenient bool
	// Small leaves rare things out.
	Small bool
}

// Move is one thing that happens.
type Move struct {
	To State
	// Event is what happens, How what becomes of it, "" where all goes well.
	Event, How string
	Fair       Fairness
	// Wrong names the invariant that the move itself breaks, "" where it breaks none.
	Wrong string
	// Cell is the cell of the table that decided it, noCell outside of passes.
	Cell Cell
}

// Fairness says where a move happens sooner or later without faults and whims:
// the controller works, the service answers, the queue comes to an end, and what
// forbids the content, or that nothing does, stays as it is.
type Fairness uint8

// The fair surroundings.
const (
	Unguarded Fairness = 1 << iota
	Guarded
	Unfair = Fairness(0)
	Always = Unguarded | Guarded
)

// Cell is a place in the lifecycle's table.
type Cell int16

const noCell Cell = -1

var situations = func() map[session.Situation]Cell {
	at := map[session.Situation]Cell{}
	for i, s := range session.Situations {
		at[s] = Cell(i)
	}
	return at
}()

// CellOf is the cell of a situation and a desired state.
func CellOf(s session.Situation, w Desired) Cell { return situations[s]*Cell(desired) + Cell(w) }

// Situation is the row.
func (c Cell) Situation() session.Situation { return session.Situations[c/Cell(desired)] }

// Desired is the column.
func (c Cell) Desired() Desired { return Desired(c % Cell(desired)) }

func (c Cell) String() string { return string(c.Situation()) + "×" + c.Desired().String() }

// moves appends everything that can happen next.
func (m *Model) moves(w State, all []Move) []Move {
	if w.Gone != Here {
		return all
	}
	return m.happen(w, m.passes(w, all))
}
