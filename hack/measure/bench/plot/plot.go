// Package plot draws figures as SVG: lines on logarithmic axes and groups of
// bars. They are readable on white, need no fonts, scripts or styles of others,
// and tell series apart by colour and by mark.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strings"

	"exactmatch.dev/operator/hack/measure"
)

// Point is one figure of a line.
type Point struct{ X, Y float64 }

// Line is a named series of points in the order of X.
type Line struct {
	Name   string
	Points []Point
}

// Lines is a plot with two logarithmic axes. Figures that are not more than 0
// are left out.
type Lines struct {
	Title, XLabel, YLabel string
	Lines                 []Line
}

// Series is a named figure for each group; NaN where there is none.
type Series struct {
	Name   string
	Values []float64
}

// Bars is a plot of groups of bars from 0.
type Bars struct {
	Title, YLabel string
	Groups        []string
	Series        []Series
}

const (
	width, height = 860, 460
	left, right   = 104, 210
	top, bottom   = 50, 70
)

// colours that also people with poor colour vision tell apart.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f"}

// canvas collects the elements of a picture.
type canvas struct{ bytes.Buffer }

func escape(text string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return out.String()
}

func (c *canvas) begin(title string) {
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img">`+"\n",
		width, height, width, height)
	fmt.Fprintf(c, "<title>%s</title>\n", escape(title))
	fmt.Fprintf(c, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	c.text(left, 26, "start", 16, title)
}

func (c *canvas) end() []byte {
	c.WriteString("</svg>\n")
	return c.Bytes()
}

func (c *canvas) text(x, y float64, anchor string, size int, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="#222222">%s</text>`+"\n", x, y, anchor, size, escape(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

// labels names the axes.
func (c *canvas) labels(x, y string) {
	c.text(left+float64(width-left-right)/2, height-14, "middle", 13, x)
	fmt.Fprintf(c, `<text transform="translate(18 %.1f) rotate(-90)" text-anchor="middle" fill="#222222">%s</text>`+"\n",
		top+float64(height-top-bottom)/2, escape(y))
}

// legend names the series at the right.
func (c *canvas) legend(names []string) {
	for i, name := range names {
		y := float64(top + 14 + 22*i)
		c.mark(i, width-right+22, y-4)
		c.text(width-right+36, y, "start", 13, name)
	}
}

// mark draws the mark of series i: circle, square, diamond, triangle in turn.
func (c *canvas) mark(i int, x, y float64) {
	colour := colours[i%len(colours)]
	switch i % 4 {
	case 0:
		fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s"/>`+"\n", x, y, colour)
	case 1:
		fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="8" height="8" fill="%s"/>`+"\n", x-4, y-4, colour)
	case 2:
		fmt.Fprintf(c, `<path d="M%.1f %.1f l5 5 -5 5 -5 -5z" fill="%s"/>`+"\n", x, y-5, colour)
	default:
		fmt.Fprintf(c, `<path d="M%.1f %.1f l5.5 9 -11 0z" fill="%s"/>`+"\n", x, y-5, colour)
	}
}

// span is a logarithmic axis over whole powers of ten.
type span struct{ low, high int }

func spanOf(values []float64) span {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, math.Log10(v)), max(high, math.Log10(v))
	}
	if len(values) == 0 {
		return span{0, 1}
	}
	s := span{int(math.Floor(low + 1e-9)), int(math.Ceil(high - 1e-9))}
	if s.low == s.high {
		s.high++
	}
	return s
}

// at is the place of a figure between 0 and 1.
func (s span) at(v float64) float64 { return (math.Log10(v) - float64(s.low)) / float64(s.high-s.low) }

// SVG draws the lines.
func (l Lines) SVG() []byte {
	var xs, ys []float64
	for i := range l.Lines {
		for _, p := range l.shown(i) {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	c := &canvas{}
	c.begin(l.Title)
	across, up := spanOf(xs), spanOf(ys)
	x := func(v float64) float64 { return left + across.at(v)*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - up.at(v)*(height-top-bottom) }
	for power := up.low; power <= up.high; power++ {
		v := math.Pow10(power)
		c.line(left, y(v), width-right, y(v), "#dddddd")
		c.text(left-8, y(v)+4, "end", 13, measure.Number(v))
	}
	for power := across.low; power <= across.high; power++ {
		v := math.Pow10(power)
		c.line(x(v), top, x(v), height-bottom, "#dddddd")
		c.text(x(v), height-bottom+20, "middle", 13, measure.Number(v))
	}
	c.labels(l.XLabel, l.YLabel)
	names := make([]string, 0, len(l.Lines))
	for i := range l.Lines {
		names = append(names, l.Lines[i].Name)
		points := l.shown(i)
		var path strings.Builder
		for _, p := range points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x(p.X), y(p.Y))
		}
		fmt.Fprintf(c, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.TrimSpace(path.String()), colours[i%len(colours)])
		for _, p := range points {
			c.mark(i, x(p.X), y(p.Y))
		}
	}
	c.legend(names)
	return c.end()
}

// shown are the points that a logarithmic axis can hold.
func (l Lines) shown(i int) []Point {
	var out []Point
	for _, p := range l.Lines[i].Points {
		if p.X > 0 && p.Y > 0 && !math.IsInf(p.X, 0) && !math.IsInf(p.Y, 0) {
			out = append(out, p)
		}
	}
	return out
}

// SVG draws the bars.
func (b Bars) SVG() []byte {
	high := 0.0
	for _, s := range b.Series {
		for _, v := range s.Values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				high = max(high, v)
			}
		}
	}
	step := niceStep(high)
	high = max(math.Ceil(high/step)*step, step)
	c := &canvas{}
	c.begin(b.Title)
	y := func(v float64) float64 { return height - bottom - v/high*(height-top-bottom) }
	for i := 0; float64(i)*step <= high+step/2; i++ {
		v := float64(i) * step
		c.line(left, y(v), width-right, y(v), "#dddddd")
		c.text(left-8, y(v)+4, "end", 13, measure.Number(v))
	}
	c.labels("", b.YLabel)
	group := float64(width-left-right) / float64(max(len(b.Groups), 1))
	bar := group * 0.8 / float64(max(len(b.Series), 1))
	names := make([]string, 0, len(b.Series))
	for i, s := range b.Series {
		names = append(names, s.Name)
		for at, v := range s.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || at >= len(b.Groups) {
				continue
			}
			x := left + group*(float64(at)+0.1) + bar*float64(i)
			fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y(v), bar*0.94, y(0)-y(v), colours[i%len(colours)])
			c.text(x+bar/2, y(v)-4, "middle", 10, short(v))
		}
	}
	for at, name := range b.Groups {
		c.text(left+group*(float64(at)+0.5), height-bottom+20, "middle", 12, name)
	}
	c.legend(names)
	return c.end()
}

// short writes a figure for the narrow room above a bar.
func short(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	return measure.Number(math.Round(v))
}

// niceStep is 1, 2 or 5 times a power of ten, so that about six of them make up
// the axis.
func niceStep(high float64) float64 {
	if high <= 0 {
		return 1
	}
	power := math.Pow10(int(math.Floor(math.Log10(high / 6))))
	for _, times := range []float64{1, 2, 5} {
		if high/(times*power) <= 7 {
			return times * power
		}
	}
	return 10 * power
}
