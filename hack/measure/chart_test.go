package measure

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCostsAreMediansBySize(t *testing.T) {
	costs := CostsOf([]Sample{
		{Kind: "a", Size: 100, Wall: 5 * time.Second}, {Kind: "a", Size: 10, Wall: 3 * time.Second}, {Kind: "b", Size: 10, Wall: time.Hour},
		{Kind: "a", Size: 10, Wall: time.Second}, {Kind: "a", Size: 10, Wall: 2 * time.Second},
	}, "a")
	if len(costs) != 2 || costs[0].Size != 10 || costs[0].Of(WallSeconds) != 2 || len(costs[0].Samples) != 3 || costs[1].Of(WallSeconds) != 5 {
		t.Errorf("%+v", costs)
	}
	if s := Curve("line", costs, WallSeconds); len(s.Points) != 2 || s.Points[0] != (Point{10, 2}) || s.Points[1] != (Point{100, 5}) {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsNoFigureIsNotDrawn(t *testing.T) {
	s := Series{}
	s.Add(1, math.NaN())
	s.Add(1, math.Inf(1))
	s.Add(2, 3)
	if len(s.Points) != 1 || s.Points[0] != (Point{2, 3}) {
		t.Errorf("%+v", s.Points)
	}
}

// The program that draws reads what is written here.
func TestChartsAreDrawn(t *testing.T) {
	dir := t.TempDir()
	plotter := filepath.Join(dir, "plotter")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "plot", "-o", plotter, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	charts := map[string]Chart{
		"lines.svg": {Title: "L", XLabel: "x", YLabel: "y", Series: []Series{{Name: "one", Points: []Point{{1, 2}, {10, 20}}}}},
		"bars.svg":  {Title: "B", YLabel: "y", Groups: []string{"group"}, Series: []Series{{Name: "one", Points: []Point{{0, 2}}}}},
	}
	if err := Draw(t.Context(), plotter, dir, charts); err != nil {
		t.Fatal(err)
	}
	for name := range charts {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(text), ">one<") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Draw(t.Context(), filepath.Join(dir, "absent"), dir, charts); err == nil || !strings.Contains(err.Error(), "run this by make") {
		t.Errorf("without the program: %v", err)
	}
}
