package main

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// mostExact is the largest circle whose best order is searched among all: 2^20
// sets of files take a second or so.
const mostExact = 20

// graph has the uses of file i among its bits: a file is above what it uses.
type graph []uint64

func (p *pkg) graph() graph {
	g := make(graph, len(p.Files))
	for e := range p.Uses {
		g[e.from] |= 1 << e.to
	}
	return g
}

// circles are the sets of files that use each other, all of them round and round,
// by their first file.
func (g graph) circles() [][]int {
	reach := slices.Clone(g)
	for via := range g {
		for i := range g {
			if reach[i]>>via&1 == 1 {
				reach[i] |= reach[via]
			}
		}
	}
	var out [][]int
	var done uint64
	for i := range g {
		if done>>i&1 == 1 {
			continue
		}
		var circle []int
		for j := range g {
			if reach[i]>>j&1 == 1 && reach[j]>>i&1 == 1 {
				circle = append(circle, j)
				done |= 1 << j
			}
		}
		if len(circle) > 0 {
			out = append(out, circle)
		}
	}
	return out
}

// layering is an order of a circle's files, top first, and how many uses run
// against it.
type layering struct {
	order []int
	back  int
	exact bool
}

// layer orders a circle so that the fewest uses run back up. Uses between circles
// never have to.
func (g graph) layer(circle []int) layering {
	sub := make(graph, len(circle))
	for i, from := range circle {
		for j, to := range circle {
			sub[i] |= g[from] >> to & 1 << j
		}
	}
	var l layering
	if len(circle) <= mostExact {
		l = sub.best()
	} else {
		l = sub.good()
	}
	for i, at := range l.order {
		l.order[i] = circle[at]
	}
	return l
}

// best tries all orders: the fewest ways back of a set of files that stand on top
// are known from those of the sets that have one file less.
func (g graph) best() layering {
	n := len(g)
	fewest, last := make([]int32, 1<<n), make([]int8, 1<<n)
	for set := uint64(1); set < 1<<n; set++ {
		fewest[set] = -1
		for left := set; left > 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			above := set &^ (1 << i)
			if back := fewest[above] + int32(bits.OnesCount64(g[i]&above)); fewest[set] < 0 || back < fewest[set] {
				fewest[set], last[set] = back, int8(i)
			}
		}
	}
	l := layering{back: int(fewest[1<<n-1]), exact: true}
	for set := uint64(1<<n - 1); set > 0; set &^= 1 << last[set] {
		l.order = append(l.order, int(last[set]))
	}
	slices.Reverse(l.order)
	return l
}

// goodStarts is how many orders good begins with.
const goodStarts = 1000

// good searches for an order by moving one file at a time to where it has the
// fewest ways back, from several orders that are the same in every run.
func (g graph) good() layering {
	pick := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same in every run
	order := make([]int, len(g))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(bits.OnesCount64(g[b]), bits.OnesCount64(g[a])) })
	var found layering
	for start := range goodStarts {
		l := g.improve(slices.Clone(order))
		if start == 0 || l.back < found.back {
			found = l
		}
		pick.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	return found
}

// improve moves files until no move of one helps.
func (g graph) improve(order []int) layering {
	for back := g.back(order); ; {
		for i := range order {
			order = g.moved(order, i)
		}
		now := g.back(order)
		if now == back {
			return layering{order: order, back: back}
		}
		back = now
	}
}

// moved puts file i of an order where it has the fewest ways back.
func (g graph) moved(order []int, i int) []int {
	file := order[i]
	others := slices.Delete(slices.Clone(order), i, i+1)
	// At the top, every use of it by others runs back up.
	back := 0
	for _, other := range others {
		back += int(g[other] >> file & 1)
	}
	at, fewest := 0, back
	for place, other := range others {
		back += int(g[file]>>other&1) - int(g[other]>>file&1)
		if back < fewest {
			at, fewest = place+1, back
		}
	}
	return slices.Insert(others, at, file)
}

// back counts the uses against an order.
func (g graph) back(order []int) int {
	var above uint64
	count := 0
	for _, i := range order {
		count += bits.OnesCount64(g[i] & above)
		above |= 1 << i
	}
	return count
}
