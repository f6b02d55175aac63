package measure

import (
	"math"
	"testing"
)

func TestBounds(t *testing.T) {
	for _, tc := range []struct {
		bound Bound
		got   Summary
		want  string
	}{
		{AtLeast(10), Summary{Median: 10, Count: 15}, Holds},
		{AtLeast(10), Summary{Median: 9.99, Count: 15}, DoesNotHold},
		{AtMost(1.5), Summary{Median: 1.5, Count: 15}, Holds},
		{AtMost(1.5), Summary{Median: 1.51, Count: 15}, DoesNotHold},
		{AtLeast(10), Summarize(nil), NotMeasured},
		{AtMost(1.5), Summarize(nil), NotMeasured},
	} {
		if got := tc.bound.Judge(tc.got); got != tc.want {
			t.Errorf("%s of %+v: %q, want %q", tc.bound, tc.got, got, tc.want)
		}
	}
}

func TestHeadsAlignFigures(t *testing.T) {
	d := &Document{}
	d.Head("what", "seconds:", "")
	d.Row("a", "1", "b")
	if want := "| what | seconds |  |\n|---|---:|---|\n| a | 1 | b |\n"; d.String() != want {
		t.Errorf("%q", d.String())
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 1.5: "1.50", 9.999: "10.00", 42.25: "42.2", 1234.5: "1,234", 1e7: "10,000,000", -12345: "-12,345", 0.0123: "0.0123", math.NaN(): "–",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
