package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// texts reads every token of a picture and returns its texts.
func texts(t *testing.T, svg []byte) string {
	t.Helper()
	var all strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if chars, is := token.(xml.CharData); is {
			all.Write(chars)
		}
	}
	for _, wrong := range []string{"NaN", "Inf", "%!"} {
		if bytes.Contains(svg, []byte(wrong)) {
			t.Errorf("the picture holds %s:\n%s", wrong, svg)
		}
	}
	return all.String()
}

const nasty = `a < b & "c" > 'd'`

var charts = map[string]chart{
	"lines": {Title: nasty, XLabel: "rows", YLabel: "ns/row", Series: []series{
		{nasty, []point{{1e5, 1500}, {1e6, 1400}, {1e7, 1450}}}, {"beyond a logarithm", []point{{0, 1}, {-1, 5}, {10, 0}}}, {"none", nil},
	}},
	"bars": {Title: nasty, YLabel: "times", Groups: []string{nasty, "two"}, Series: []series{
		{nasty, []point{{0, 1.54}}}, {"beyond the groups", []point{{0, 1}, {1, 2034}, {2, 3}, {-1, 4}}}, {"none", nil},
	}},
	"one point": {Series: []series{{"s", []point{{100, 100}}}}},
	"nothing":   {},
	"one bar":   {Groups: []string{"a"}, Series: []series{{"s", []point{{0, 0}}}}},
}

func TestPicturesAreWellFormed(t *testing.T) {
	for name, c := range charts {
		svg, err := c.svg()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := texts(t, svg)
		for _, want := range append([]string{c.Title, c.XLabel, c.YLabel}, c.Groups...) {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q: %s", name, want, text)
			}
		}
	}
	svg, err := charts["lines"].svg()
	if text := texts(t, svg); err != nil || !strings.Contains(text, "10,000,000") || strings.Count(text, nasty) != 2 {
		t.Errorf("the axes or the legend lack text: %s", text)
	}
	svg, err = charts["bars"].svg()
	if text := texts(t, svg); err != nil || !slices.Contains(strings.Fields(text), "1.5") || !slices.Contains(strings.Fields(text), "2,034") {
		t.Errorf("the bars lack their figures: %s", text)
	}
}

func TestEqualChartsMakeEqualPictures(t *testing.T) {
	one, err := charts["bars"].svg()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := charts["bars"].svg(); err != nil || !bytes.Equal(one, two) {
		t.Errorf("they differ, %v", err)
	}
}

func TestChartsBecomeFiles(t *testing.T) {
	dir := t.TempDir()
	if err := run(strings.NewReader(`{"a.svg": {"title": "A", "xLabel": "x", "yLabel": "y", "series": [{"name": "s", "points": [{"x": 1, "y": 2}]}]}, "../b.svg": {"groups": ["g"]}}`), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.svg", "b.svg"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, wrong := range []string{"", "[]", `{"a.svg": {"titel": "A"}}`} {
		if err := run(strings.NewReader(wrong), dir); err == nil {
			t.Errorf("%q is drawn", wrong)
		}
	}
}

func TestThousandsAreApart(t *testing.T) {
	for digits, want := range map[string]string{"0": "0", "100": "100", "1000": "1,000", "10000000": "10,000,000", "1234.5": "1234.5"} {
		if got := thousands(digits); got != want {
			t.Errorf("%s: %q, want %q", digits, got, want)
		}
	}
}
