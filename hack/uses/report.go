package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// detail is how much is said of the uses that run back up.
type detail int

const (
	detailFiles detail = iota
	detailNames
)

type report struct {
	packages []*pkg
	detail   detail
}

// figures are those of one package.
type figures struct {
	files, uses, back int
	layers            []layering // one a circle
}

func (p *pkg) figures() figures {
	g := p.graph()
	f := figures{files: len(p.Files), uses: len(p.Uses)}
	for _, circle := range g.circles() {
		l := g.layer(circle)
		f.back += l.back
		f.layers = append(f.layers, l)
	}
	return f
}

// write prints a line a package, and the circles below.
func (r *report) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "files\tuses\tback up\t  package") // a tabwriter keeps the error until Flush
	circles := &strings.Builder{}
	var sum figures
	for _, p := range r.packages {
		f := p.figures()
		_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t  %s\n", f.files, f.uses, f.back, p.Path)
		sum.files, sum.uses, sum.back = sum.files+f.files, sum.uses+f.uses, sum.back+f.back
		r.circles(circles, p, f)
	}
	_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t  all\n", sum.files, sum.uses, sum.back)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, circles.String())
	return err
}

// circles lists files that use each other round and round, in the order that
// leaves the fewest uses back up, and those uses.
func (r *report) circles(out *strings.Builder, p *pkg, f figures) {
	for _, l := range f.layers {
		how := ""
		if !l.exact {
			how = " at most (a circle this large is searched, not proved)"
		}
		fmt.Fprintf(out, "\n%s: %d files in a circle, %d uses run back up%s:\n", p.Path, len(l.order), l.back, how)
		for _, i := range l.order {
			fmt.Fprintf(out, "  %s%s\n", p.Files[i], r.above(p, l.order, i))
		}
	}
}

// above says which files above it in the order a file uses.
func (r *report) above(p *pkg, order []int, file int) string {
	var parts []string
	for _, to := range order[:slices.Index(order, file)] {
		names, is := p.Uses[edge{file, to}]
		switch {
		case !is:
		case r.detail == detailNames:
			parts = append(parts, fmt.Sprintf("%s (%s)", p.Files[to], strings.Join(names, ", ")))
		default:
			parts = append(parts, p.Files[to])
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " uses, above it, " + strings.Join(parts, ", ")
}
