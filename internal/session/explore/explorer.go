package explore

import (
	"fmt"
	"reflect"
	"strings"
)

// Graph is every State that was visited, in the order of the shortest way to it.
type Graph struct {
	States []State
	// Transitions counts the moves, Cells lists the States in which a cell decided.
	Transitions int
	Cells       map[Cell][]int32
	at          map[State]int32
	steps       []arrival
	// fairFrom lists, for each State, the fair moves that lead to it.
	fairFrom [][]fairMove
}

type fairMove struct {
	from int32
	fair Fairness
}

// arrival is how a State was reached first.
type arrival struct {
	from       int32
	event, how string
	cell       Cell
}

// Violation is an invariant that does not hold, with the shortest way there.
type Violation struct {
	Invariant string
	// Trace tells the way, an event a line with what it changed.
	Trace func() string
}

func (v *Violation) Error() string { return v.Invariant + "\n" + v.Trace() }

// Explore visits every State that can be reached from Start, breadth first, and
// returns the first violation of an invariant that it meets.
func (m *Model) Explore() (*Graph, *Violation) {
	g := &Graph{at: map[State]int32{}, Cells: map[Cell][]int32{}}
	g.visit(Start().canonical(), arrival{from: -1, event: "applied", cell: noCell})
	var moves []Move
	for i := int32(0); int(i) < len(g.States); i++ {
		moves = m.moves(g.States[i], moves[:0])
		g.Transitions += len(moves)
		for n := range moves {
			if v := g.take(m, i, &moves[n]); v != nil {
				return g, v
			}
		}
	}
	return g, g.unreachable(m)
}

// take follows a move.
func (g *Graph) take(m *Model, from int32, move *Move) *Violation {
	if move.Cell != noCell {
		if at := g.Cells[move.Cell]; len(at) == 0 || at[len(at)-1] != from {
			g.Cells[move.Cell] = append(at, from)
		}
	}
	to := g.visit(move.To, arrival{from, move.Event, move.How, move.Cell})
	if move.Fair != Unfair {
		g.fairFrom[to] = append(g.fairFrom[to], fairMove{from, move.Fair})
	}
	wrong := move.Wrong
	if wrong == "" {
		wrong = m.untrue(&move.To)
	}
	if wrong == "" {
		return nil
	}
	last := *move
	return &Violation{wrong, func() string { return g.trace(from) + line(&g.States[from], &last) }}
}

func (g *Graph) visit(w State, how arrival) int32 {
	if at, seen := g.at[w]; seen {
		return at
	}
	at := int32(len(g.States))
	g.at[w] = at
	g.States = append(g.States, w)
	g.steps = append(g.steps, how)
	g.fairFrom = append(g.fairFrom, nil)
	return at
}

// unreachable returns the first State from which a goal cannot be reached by
// fair moves alone.
func (g *Graph) unreachable(m *Model) *Violation {
	for _, goal := range Goals {
		for _, fair := range []Fairness{Unguarded, Guarded} {
			for i, can := range g.reaching(m, goal, fair) {
				if !can {
					return &Violation{goal.Invariant, func() string { return g.trace(int32(i)) }}
				}
			}
		}
	}
	return nil
}

// reaching follows the goal's States backwards.
func (g *Graph) reaching(m *Model, goal Goal, fair Fairness) []bool {
	can := make([]bool, len(g.States))
	var queue []int32
	add := func(i int32) {
		if !can[i] {
			can[i] = true
			queue = append(queue, i)
		}
	}
	for i := range g.States {
		if goal.Reached(m, &g.States[i]) {
			add(int32(i))
		}
	}
	for len(queue) > 0 {
		last := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, move := range g.fairFrom[last] {
			if move.fair&fair != 0 {
				add(move.from)
			}
		}
	}
	return can
}

// trace tells the shortest way to a State.
func (g *Graph) trace(to int32) string {
	how := g.steps[to]
	if how.from < 0 {
		return fmt.Sprintf("  %s: %s\n", how.event, changes(State{}, g.States[to]))
	}
	return g.trace(how.from) + line(&g.States[how.from], &Move{To: g.States[to], Event: how.event, How: how.how, Cell: how.cell})
}

func line(from *State, move *Move) string {
	cell := ""
	if move.Cell != noCell {
		cell = " [" + move.Cell.String() + "]"
	}
	return fmt.Sprintf("  %s%s%s: %s\n", move.Event, move.How, cell, changes(*from, move.To))
}

// changes names the fields in which two States differ.
func changes(a, b State) string {
	var out []string
	var walk func(a, b reflect.Value)
	walk = func(a, b reflect.Value) {
		for i := range a.NumField() {
			name, x, y := a.Type().Field(i).Name, a.Field(i), b.Field(i)
			switch {
			case x.Kind() == reflect.Struct:
				walk(x, y)
			case x.Interface() != y.Interface():
				out = append(out, fmt.Sprintf("%s %v→%v", name, x.Interface(), y.Interface()))
			}
		}
	}
	walk(reflect.ValueOf(a), reflect.ValueOf(b))
	return strings.Join(out, ", ")
}
