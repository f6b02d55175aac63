package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// wellFormed reads every token of a picture and returns its texts.
func wellFormed(t *testing.T, svg []byte) string {
	t.Helper()
	var text strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if chars, is := token.(xml.CharData); is {
			text.Write(chars)
		}
	}
	for _, wrong := range []string{"NaN", "Inf", "%!"} {
		if bytes.Contains(svg, []byte(wrong)) {
			t.Errorf("the picture holds %s:\n%s", wrong, svg)
		}
	}
	return text.String()
}

func TestPicturesAreWellFormed(t *testing.T) {
	const nasty = `a < b & "c" > 'd'`
	lines := Lines{Title: nasty, XLabel: "rows", YLabel: "ns/row", Lines: []Line{
		{nasty, []Point{{1e5, 1500}, {1e6, 1400}, {1e7, 1450}}},
		{"bad figures", []Point{{0, 1}, {1, math.NaN()}, {10, math.Inf(1)}, {-1, 5}}},
		{"none", nil},
	}}
	bars := Bars{Title: nasty, YLabel: "times", Groups: []string{nasty, "two"}, Series: []Series{
		{nasty, []float64{1.5, math.NaN()}}, {"more than groups", []float64{1, 2, 3}}, {"none", nil},
	}}
	for _, svg := range [][]byte{lines.SVG(), bars.SVG()} {
		if text := wellFormed(t, svg); strings.Count(text, nasty) < 3 {
			t.Errorf("a name is lost: %s", text)
		}
	}
	for _, svg := range [][]byte{Lines{}.SVG(), Bars{}.SVG(), (Bars{Groups: []string{"a"}, Series: []Series{{"s", []float64{0}}}}).SVG()} {
		wellFormed(t, svg)
	}
}

func TestPointsLieWithinTheAxes(t *testing.T) {
	for _, values := range [][]float64{{1}, {100, 100_000}, {0.02, 3}, {150, 12_000}} {
		s := spanOf(values)
		for _, v := range values {
			if at := s.at(v); at < -1e-9 || at > 1+1e-9 {
				t.Errorf("%v lies at %v of %+v", v, at, s)
			}
		}
	}
}

func TestSteps(t *testing.T) {
	for high, want := range map[float64]float64{0: 1, 1: 0.2, 7: 1, 12: 2, 33: 5, 70: 10, 5000: 1000} {
		if got := niceStep(high); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: %v, want %v", high, got, want)
		}
	}
}
