package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
)

// Chart has lines over logarithmic axes, or bars from 0 where it has groups. The
// program in hack/measure/plot draws it.
type Chart struct {
	Title  string   `json:"title"`
	XLabel string   `json:"xLabel,omitempty"`
	YLabel string   `json:"yLabel"`
	Groups []string `json:"groups,omitempty"`
	Series []Series `json:"series"`
}

// Series is a line in the order of X, or the bars of the groups that X counts.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point is one figure of a series.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Add adds a figure, unless there is none.
func (s *Series) Add(x, y float64) {
	if !math.IsNaN(y) && !math.IsInf(y, 0) {
		s.Points = append(s.Points, Point{x, y})
	}
}

// Curve is a line of what a figure of a kind's cases is by their size.
func Curve(name string, costs []Cost, f Figure) Series {
	s := Series{Name: name}
	for _, c := range costs {
		s.Add(float64(c.Size), c.Of(f))
	}
	return s
}

// Draw writes the pictures of charts, by file name, into a folder. The plotter is
// the program that draws.
func Draw(ctx context.Context, plotter, dir string, charts map[string]Chart) error {
	if _, err := os.Stat(plotter); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s, which draws: run this by make, or name another with -plotter", plotter)
	}
	text, err := json.Marshal(charts)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, plotter, "-out", dir) //nolint:gosec // our own program
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", plotter, err, out)
	}
	return nil
}
