package main

import (
	"bytes"
	"context"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func fixture(t *testing.T) *pkg {
	t.Helper()
	found, err := load(t.Context(), ".", []string{"./testdata/circle"})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d packages, %v", len(found), err)
	}
	return found[0]
}

func TestTheUsesOfFiles(t *testing.T) {
	p := fixture(t)
	if p.Path != "hack/uses/testdata/circle" || !slices.Equal(p.Files, []string{"alone.go", "bottom.go", "middle.go", "top.go"}) {
		t.Fatalf("%s has %v", p.Path, p.Files)
	}
	const alone, bottom, middle, top = 0, 1, 2, 3
	want := map[edge][]string{
		{alone, middle}: {"state"}, {top, middle}: {"state", "state.grow"}, {top, bottom}: {"first"}, {middle, bottom}: {"step"},
		{middle, top}: {"Run"}, {bottom, top}: {"visitor", "visitor.visit"}, {bottom, middle}: {"state", "state.grow"},
	}
	if !reflect.DeepEqual(p.Uses, want) {
		t.Errorf("uses: %v", p.Uses)
	}
	if got := p.Declares[middle]; !slices.Equal(got, []string{"state", "state.grow"}) {
		t.Errorf("middle.go declares %v", got)
	}
}

func TestTheFiguresOfAPackage(t *testing.T) {
	f := fixture(t).figures()
	// All three use each other, so each of the three pairs has one use that runs back up.
	if f.files != 4 || f.uses != 7 || f.back != 3 || len(f.layers) != 1 || !f.layers[0].exact || len(f.layers[0].order) != 3 {
		t.Errorf("%+v", f)
	}
}

func TestTheReportNamesWhatRunsBackUp(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-names", "./testdata/circle"}, &out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"4 7 3 hack/uses/testdata/circle", "3 files in a circle, 3 uses run back up:", "(Run)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if strings.Contains(text, "alone.go") {
		t.Errorf("a file that nothing uses is shown in a circle: %q", text)
	}
}

// fewest tries every order.
func fewest(g graph, order []int, left uint64) int {
	if left == 0 {
		return g.back(order)
	}
	best := len(g) * len(g)
	for ; left > 0; left &= left - 1 {
		i := bits.TrailingZeros64(left)
		all := uint64(1)<<len(g) - 1
		for _, used := range order {
			all &^= 1 << used
		}
		best = min(best, fewest(g, append(slices.Clone(order), i), all&^(1<<i)))
	}
	return best
}

func TestNoOrderIsBetter(t *testing.T) {
	pick := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		g := make(graph, 1+pick.IntN(6))
		for i := range g {
			g[i] = pick.Uint64() & (1<<len(g) - 1) &^ (1 << i)
		}
		want := fewest(g, nil, 1<<len(g)-1)
		for how, l := range map[string]layering{"best": g.best(), "good": g.good()} {
			if l.back != want || g.back(l.order) != want || len(l.order) != len(g) {
				t.Fatalf("%s of %b: %+v, want %d", how, g, l, want)
			}
		}
	}
}

func TestCirclesAreFoundOnce(t *testing.T) {
	// 0 <-> 1 -> 2 -> 3 -> 4 -> 2, and 5 uses all.
	g := graph{1 << 1, 1<<0 | 1<<2, 1 << 3, 1 << 4, 1 << 2, 0b11111}
	if got := g.circles(); !reflect.DeepEqual(got, [][]int{{0, 1}, {2, 3, 4}}) {
		t.Errorf("%v", got)
	}
	if l := g.layer([]int{2, 3, 4}); l.back != 1 || !slices.Equal(slices.Sorted(slices.Values(l.order)), []int{2, 3, 4}) {
		t.Errorf("%+v", l)
	}
}

func TestMergedFilesAreFound(t *testing.T) {
	before := []*pkg{
		{Path: "a", Files: []string{"one.go", "two.go", "three.go"}, Declares: [][]string{{"A", "B", "C"}, {"D", "E"}, {"F"}}},
		{Path: "c", Files: []string{"spread.go"}, Declares: [][]string{{"X", "Y", "Z"}}},
	}
	after := []*pkg{
		{Path: "a", Files: []string{"one.go"}, Declares: [][]string{{"A", "B", "D", "E", "X"}}},
		{Path: "b", Files: []string{"three.go", "new.go"}, Declares: [][]string{{"C", "F"}, {"G"}}},
	}
	want := map[string][]string{"a/one.go": {"a/one.go", "a/two.go"}}
	if got := merged(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	var out bytes.Buffer
	if err := compare(&out, before, after); err != nil || !strings.Contains(out.String(), "merged files: 1\n  a/one.go: a/one.go, a/two.go\n") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestPatternsOfAbsentFoldersAreLeftOut(t *testing.T) {
	if got := present(".", []string{"./...", "./testdata/circle", "./absent/...", "./absent"}); !slices.Equal(got, []string{"./...", "./testdata/circle"}) {
		t.Errorf("%v", got)
	}
}

// The figures of a revision are those of its own files.
func TestARevisionIsCompared(t *testing.T) {
	if _, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output(); err != nil {
		t.Skipf("there is no repository: %v", err)
	}
	t.Chdir("../..")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-before", "HEAD", "./hack/uses/testdata/circle", "./absent"}, &out); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, "4 7 3 | 4 7 3 hack/uses/testdata/circle merged files: 0") {
		t.Errorf("%q", text)
	}
}

// pretend are imports of a module that is not there.
func pretend() *imports {
	return &imports{
		module: "m.dev", own: []string{"m.dev/a", "m.dev/a/deep", "m.dev/b", "m.dev/c", "m.dev/e"},
		of: map[string][]string{
			"m.dev/a": {"m.dev/b", "fmt"}, "m.dev/a/deep": {"net"}, "m.dev/b": {"example.com/sdk"}, "m.dev/c": {"fmt"}, "m.dev/e": {"m.dev/c"},
			"example.com/sdk": {"net/http"}, "net/http": {"net"},
		},
	}
}

func TestWalls(t *testing.T) {
	for name, tc := range map[string]struct {
		rule rule
		want string // within the failure, "" where there is none
		says string // within the output
	}{
		"through others":         {rule{Packages: []string{"a"}, Forbid: []string{"net/http"}}, "a must not import net/http (why): m.dev/a -> m.dev/b -> example.com/sdk -> net/http", ""},
		"what is below":          {rule{Packages: []string{"a"}, Forbid: []string{"net"}}, "a must not import net/http", ""},
		"our own":                {rule{Packages: []string{"a"}, Forbid: []string{"./b"}}, "a must not import b (why): m.dev/a -> m.dev/b", ""},
		"a name that only looks": {rule{Packages: []string{"a"}, Forbid: []string{"net/htt", "example.com/sd"}}, "", "1 packages"},
		"except":                 {rule{Packages: []string{"a"}, Forbid: []string{"net"}, Except: []string{"./b"}}, "", "1 packages"},
		"directly":               {rule{Packages: []string{"b"}, ForbidDirectly: []string{"example.com"}}, "b must not import example.com/sdk directly", ""},
		"not directly":           {rule{Packages: []string{"a"}, ForbidDirectly: []string{"example.com"}}, "", "1 packages"},
		"pattern":                {rule{Packages: []string{"a/..."}, Forbid: []string{"net"}}, "a/deep must not import net", ""},
		"standard":               {rule{Packages: []string{"c"}, StandardOnly: true}, "", "1 packages"},
		"standard by others":     {rule{Packages: []string{"e"}, StandardOnly: true}, "", "1 packages"},
		"not standard":           {rule{Packages: []string{"a"}, StandardOnly: true}, "a must not import example.com/sdk", ""},
		"absent":                 {rule{Packages: []string{"d"}, Forbid: []string{"net"}}, "d is absent", ""},
		"planned":                {rule{Packages: []string{"d"}, Forbid: []string{"net"}, Planned: true}, "", "planned: d is absent"},
		"planned, not kept":      {rule{Packages: []string{"a"}, Forbid: []string{"net"}, Planned: true}, "", "planned: a must not import net/http"},
		"planned, and it stands": {rule{Packages: []string{"c"}, Forbid: []string{"net"}, Planned: true}, "the wall of c stands: take planned off its rule", ""},
	} {
		tc.rule.Why = "why"
		var out bytes.Buffer
		err := (&walls{Rules: []rule{tc.rule}}).check(pretend(), "walls.yaml", &out)
		if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) || !strings.Contains(out.String(), tc.says) {
			t.Errorf("%s: %q, %v", name, out.String(), err)
		}
	}
}

func TestTheTableOfWallsIsRead(t *testing.T) {
	w, err := readWalls("walls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(w.Rules, func(r rule) bool { return slices.Contains(r.Packages, "internal/session") }); i < 0 || !slices.Contains(w.Rules[i].Forbid, "net/http") {
		t.Errorf("a set is not put in its name's place: %+v", w.Rules)
	}
	path := filepath.Join(t.TempDir(), "walls.yaml")
	for _, wrong := range []string{"rules: [{packages: [a], why: b}]", "rules: [{forbid: [a], why: b}]", "rules: [{packages: [a], forbid: [c]}]", "rules: [{pakages: [a]}]"} {
		if err := os.WriteFile(path, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readWalls(path); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

func TestImportsAreThoseOfTheModule(t *testing.T) {
	all, err := loadImports(context.Background(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(all.matching("internal/session")) != 1 || len(all.matching("internal/session/...")) < 2 || len(all.matching("internal/sess")) != 0 {
		t.Errorf("matching %v", all.matching("internal/session/..."))
	}
	if way := all.way(all.module+"/hack/uses", all.forbidden(&rule{Forbid: []string{"go/types"}}), nil); len(way) < 2 {
		t.Errorf("the way to go/types is %v", way)
	}
}
