package measure

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Document is a report in Markdown.
type Document struct{ strings.Builder }

// Line writes a line.
func (d *Document) Line(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// Row writes a row of a table.
func (d *Document) Row(cells ...string) { d.Line("| %s |", strings.Join(cells, " | ")) }

// Head writes the head of a table. A name that ends with a colon is that of a
// column of figures.
func (d *Document) Head(names ...string) {
	rule := &strings.Builder{}
	for i, name := range names {
		dashes := "---|"
		if figure, is := strings.CutSuffix(name, ":"); is {
			names[i], dashes = figure, "---:|"
		}
		rule.WriteString(dashes)
	}
	d.Row(names...)
	d.Line("|%s", rule)
}

// Median writes that of a summary.
func Median(s Summary) string { return Number(s.Median) }

// Spread writes a median with its quartiles.
func Spread(s Summary) string {
	if s.Count == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", Number(s.Median), Number(s.Low), Number(s.High))
}

// MiB writes memory, rounded up.
func MiB(bytes int64) string { return fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20) }

// Seconds writes a time.
func Seconds(d time.Duration) string { return Number(d.Seconds()) + " s" }

// The words of a verdict. They are computed, never written by hand.
const (
	Holds       = "holds"
	DoesNotHold = "does not hold"
	NotMeasured = "not measured"
)

// Bound is a target's number: at least or at most so much.
type Bound struct {
	sign  string // ">=" or "<="
	value float64
}

// AtLeast is the bound of what should be large.
func AtLeast(v float64) Bound { return Bound{">=", v} }

// AtMost is the bound of what should be small.
func AtMost(v float64) Bound { return Bound{"<=", v} }

func (b Bound) String() string { return b.sign + " " + Number(b.value) }

// Judge holds a measured figure against the bound.
func (b Bound) Judge(got Summary) string {
	switch {
	case got.Count == 0 || math.IsNaN(got.Median):
		return NotMeasured
	case b.sign == ">=" && got.Median >= b.value, b.sign == "<=" && got.Median <= b.value:
		return Holds
	}
	return DoesNotHold
}

// Number writes a figure with as many digits as tell something, and its
// thousands apart.
func Number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	decimals := 0
	if size := math.Abs(v); v != math.Trunc(v) && size < 100 {
		decimals = 1
		if size < 10 {
			decimals = 2
		}
		if size < 0.1 {
			decimals = 4
		}
	}
	text := fmt.Sprintf("%.*f", decimals, v)
	whole, rest, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return sign + whole
}
