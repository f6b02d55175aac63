package main

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart has lines over logarithmic axes, or bars from 0 where it has groups.
type chart struct {
	Title  string   `json:"title"`
	XLabel string   `json:"xLabel"`
	YLabel string   `json:"yLabel"`
	Groups []string `json:"groups"`
	Series []series `json:"series"`
}

// series is a line in the order of X, or the bars of the groups that X counts.
type series struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

type point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// colours that also people with poor colour vision tell apart.
var colours = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x00, 0x00, 0x00, 0xff}, {0x7f, 0x7f, 0x7f, 0xff},
}

func colour(i int) color.Color { return colours[i%len(colours)] }

// glyphs tell series apart without colour.
var glyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}}

const (
	width, height = 24 * vg.Centimeter, 13 * vg.Centimeter
	legendWidth   = 5.5 * vg.Centimeter
	margin        = 0.4 * vg.Centimeter
)

// svg returns the picture.
func (c chart) svg() ([]byte, error) {
	canvas := vgsvg.New(width, height)
	if err := c.paint(canvas); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err := canvas.WriteTo(&out)
	// Its readers may not have the typeface that it was laid out with.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Helvetica,Arial,sans-serif")), err
}

// paint draws the chart with its legend at the right.
func (c chart) paint(canvas vg.CanvasSizer) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p, legend := plot.New(), plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, vg.Millimeter
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.XLabel, c.YLabel
	p.Title.Padding = margin
	grid := plotter.NewGrid()
	p.Add(grid)
	add := c.lines
	if len(c.Groups) > 0 {
		grid.Vertical.Width = 0
		add = c.bars
	}
	if err := add(p, &legend); err != nil {
		return err
	}
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Path())
	whole = draw.Crop(whole, margin, -margin, margin, -margin)
	p.Draw(draw.Crop(whole, 0, -legendWidth, 0, 0))
	legend.Draw(draw.Crop(whole, width-2*margin-legendWidth+margin, 0, 0, -margin))
	return nil
}

// lines draws each series over logarithmic axes.
func (c chart) lines(p *plot.Plot, legend *plot.Legend) error {
	var xs, ys []float64
	for i, s := range c.Series {
		points := make(plotter.XYs, 0, len(s.Points))
		for _, at := range s.Points {
			if at.X > 0 && at.Y > 0 {
				points = append(points, plotter.XY{X: at.X, Y: at.Y})
				xs, ys = append(xs, at.X), append(ys, at.Y)
			}
		}
		if len(points) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Width, line.Color = 1.5, colour(i)
		marks.Shape, marks.Color, marks.Radius = glyphs[i%len(glyphs)], colour(i), 3.5
		p.Add(line, marks)
		legend.Add(s.Name, line, marks)
	}
	logarithmic(&p.X, xs)
	logarithmic(&p.Y, ys)
	return nil
}

// logarithmic makes an axis run over whole powers of ten.
func logarithmic(axis *plot.Axis, values []float64) {
	axis.Min, axis.Max = 1, 10
	if len(values) > 0 {
		axis.Min = math.Pow10(int(math.Floor(math.Log10(slices.Min(values)) + 1e-9)))
		axis.Max = math.Pow10(int(math.Ceil(math.Log10(slices.Max(values)) - 1e-9)))
	}
	if axis.Min == axis.Max {
		axis.Max *= 10
	}
	axis.Scale, axis.Tick.Marker = plot.LogScale{}, plot.TickerFunc(func(low, high float64) []plot.Tick {
		return apart(plot.LogTicks{Prec: -1}.Ticks(low, high))
	})
}

// bars draws groups of bars, each with its figure above it.
func (c chart) bars(p *plot.Plot, legend *plot.Legend) error {
	p.NominalX(c.Groups...)
	room := width - legendWidth - 3*vg.Centimeter
	each := room * 0.8 / vg.Length(len(c.Groups)*max(len(c.Series), 1))
	highest := 0.0
	for i, s := range c.Series {
		values := make(plotter.Values, len(c.Groups))
		for _, at := range s.Points {
			if group := int(at.X); group >= 0 && group < len(values) && at.Y > 0 {
				values[group] = at.Y
				highest = max(highest, at.Y)
			}
		}
		bars, err := plotter.NewBarChart(values, each*0.94)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = colour(i), 0
		bars.Offset = each * (vg.Length(i) - vg.Length(len(c.Series)-1)/2)
		p.Add(bars, figures(values, bars.Offset))
		legend.Add(s.Name, bars)
	}
	p.X.Min, p.X.Max = -0.5, float64(len(c.Groups))-0.5
	p.Y.Min, p.Y.Max = 0, max(highest*1.06, 1)
	p.Y.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick { return apart(plot.DefaultTicks{}.Ticks(low, high)) })
	return nil
}

// figures stand above bars.
func figures(values plotter.Values, offset vg.Length) *plotter.Labels {
	labels := &plotter.Labels{Offset: vg.Point{X: offset, Y: 2}}
	for group, v := range values {
		if v > 0 {
			labels.XYs = append(labels.XYs, plotter.XY{X: float64(group), Y: v})
			labels.Labels = append(labels.Labels, short(v))
			style := plot.New().X.Tick.Label
			style.XAlign, style.YAlign, style.Font.Size = draw.XCenter, draw.YBottom, 8
			labels.TextStyle = append(labels.TextStyle, style)
		}
	}
	return labels
}

// short writes a figure for the narrow room above a bar.
func short(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return thousands(strconv.FormatFloat(v, 'f', 0, 64))
}

// apart writes the labels of ticks with their thousands apart.
func apart(ticks []plot.Tick) []plot.Tick {
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = thousands(strconv.FormatFloat(t.Value, 'f', -1, 64))
		}
	}
	return ticks
}

// thousands puts commas into a whole number.
func thousands(digits string) string {
	if len(digits) > 3 && !bytes.ContainsAny([]byte(digits), ".-") {
		return thousands(digits[:len(digits)-3]) + "," + digits[len(digits)-3:]
	}
	return digits
}
