package explore

import (
	"time"

	"exactmatch.dev/operator/internal/session"
)

// Planted is session.Next with one cell that holds another step.
func Planted(cell Cell, step session.Step) Next {
	return func(d session.Desired, f session.Facts, at time.Time) session.Step {
		if CellOf(session.Observe(f, at), desiredOf(d)) == cell {
			return step
		}
		return session.Next(d, f, at)
	}
}

func desiredOf(d session.Desired) Desired {
	for i, one := range session.Desires {
		if one == d {
			return Desired(i)
		}
	}
	panic("no such desired state: " + string(d))
}

// mutant explores what changes where one cell holds another step. The States of
// the right table are known, so only what the cell leads to is new. What it finds
// is real; it may miss what lies beyond its bounds.
type mutant struct {
	m     *Model
	g     *Graph
	seeds []int32
	// beyond are the States that only the planted error leads to.
	beyond []State
	ways   []way
	seen   map[State]bool
	good   map[State]bool // the States from which the goal is within reach
}

// way is how the planted error led to a State: by a move from another State
// beyond, or from a seed.
type way struct {
	seed, beyond int32
	move         Move
}

// Bounds of a mutant are how many States it begins from, at most about twice
// Seeds, and how many States beyond it goes on to.
type Bounds struct{ Seeds, Beyond int }

// Mutate returns a violation of a model that differs from the one explored in one
// cell of the table, nil where none is found.
func (g *Graph) Mutate(m Model, cell Cell, most Bounds) *Violation {
	x := &mutant{m: &m, g: g, seeds: g.seedsOf(cell, most.Seeds), seen: map[State]bool{}}
	if v := x.explore(most.Beyond); v != nil {
		return v
	}
	for _, goal := range Goals {
		for _, fair := range []Fairness{Unguarded, Guarded} {
			x.good = map[State]bool{}
			if v := x.stuck(goal, fair); v != nil {
				return v
			}
		}
	}
	return nil
}

// seedsOf picks States in which the cell decides and to which the shortest way
// does without it, so that the mutant gets there too.
func (g *Graph) seedsOf(cell Cell, most int) []int32 {
	all := g.Cells[cell]
	stride := max(1, len(all)/most)
	var seeds []int32
	for i := 0; i < len(all); i += stride {
		if !g.wayUses(all[i], cell) {
			seeds = append(seeds, all[i])
		}
	}
	return seeds
}

func (g *Graph) wayUses(to int32, cell Cell) bool {
	for at := to; at >= 0; at = g.steps[at].from {
		if g.steps[at].cell == cell {
			return true
		}
	}
	return false
}

// explore follows the planted step from the seeds, then everything from there.
func (x *mutant) explore(most int) *Violation {
	var moves []Move
	for _, seed := range x.seeds {
		moves = x.m.passes(x.g.States[seed], moves[:0])
		if v := x.take(way{seed: seed, beyond: -1}, moves); v != nil {
			return v
		}
	}
	for i := 0; i < len(x.beyond) && len(x.beyond) < most; i++ {
		moves = x.m.moves(x.beyond[i], moves[:0])
		if v := x.take(way{beyond: int32(i)}, moves); v != nil {
			return v
		}
	}
	return nil
}

func (x *mutant) take(from way, moves []Move) *Violation {
	for n := range moves {
		move := &moves[n]
		from.move = *move
		wrong := move.Wrong
		if wrong == "" {
			wrong = x.m.untrue(&move.To)
		}
		if wrong != "" {
			return &Violation{wrong, func() string { return x.trace(from) }}
		}
		if _, known := x.g.at[move.To]; known || x.seen[move.To] {
			continue
		}
		x.seen[move.To] = true
		x.beyond = append(x.beyond, move.To)
		x.ways = append(x.ways, from)
	}
	return nil
}

func (x *mutant) trace(to way) string {
	if to.beyond < 0 {
		return x.g.trace(to.seed) + line(&x.g.States[to.seed], &to.move)
	}
	return x.trace(x.ways[to.beyond]) + line(&x.beyond[to.beyond], &to.move)
}

// stuck returns a State from which the goal is out of reach by fair moves.
func (x *mutant) stuck(goal Goal, fair Fairness) *Violation {
	for _, seed := range x.seeds {
		if !x.reaches(goal, fair, x.g.States[seed]) {
			return &Violation{goal.Invariant, func() string { return x.g.trace(seed) }}
		}
	}
	for i, w := range x.beyond {
		if !x.reaches(goal, fair, w) {
			return &Violation{goal.Invariant, func() string { return x.trace(x.ways[i]) }}
		}
	}
	return nil
}

// reaches searches the goal by fair moves, and remembers the way that it found.
func (x *mutant) reaches(goal Goal, fair Fairness, start State) bool {
	good := x.good
	ways := map[State]State{start: start}
	queue := []State{start}
	var moves []Move
	for i := 0; i < len(queue); i++ {
		w := queue[i]
		if good[w] || goal.Reached(x.m, &w) {
			for good[w] = true; w != start; good[w] = true {
				w = ways[w]
			}
			return true
		}
		moves = x.m.moves(w, moves[:0])
		for n := range moves {
			if to := moves[n].To; moves[n].Fair&fair != 0 {
				if _, seen := ways[to]; !seen {
					ways[to] = w
					queue = append(queue, to)
				}
			}
		}
	}
	return false
}

// StepOf is what the right table holds in a cell that was reached.
func (g *Graph) StepOf(cell Cell) session.Step {
	var step session.Step
	m := &Model{Next: func(d session.Desired, f session.Facts, at time.Time) session.Step {
		s := session.Next(d, f, at)
		if CellOf(session.Observe(f, at), desiredOf(d)) == cell {
			step = s
		}
		return s
	}}
	m.passes(g.States[g.Cells[cell][0]], nil)
	return step
}
