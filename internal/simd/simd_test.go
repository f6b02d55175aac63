package simd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// others are the paths that have to do as the portable one does.
func others(t testing.TB) []path {
	t.Helper()
	if len(paths()) == 0 {
		t.Skip("this machine has the portable path only")
	}
	return paths()
}

func TestEveryPathPassesItsSelfTest(t *testing.T) {
	for _, p := range append(paths(), portable) {
		if err := p.selfTest(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if Err() != nil {
		t.Errorf("the path of this process: %v", Err())
	}
}

func TestSelfTestNotices(t *testing.T) {
	for name, spoil := range map[string]func(*path){
		"index": func(p *path) {
			p.index = func(ends []uint32, text []byte, d byte) (int, int, Flags) {
				n, scanned, f := indexPortable(ends, text, d)
				ends[n-1]++
				return n, scanned, f
			}
		},
		"folding": func(p *path) {
			p.fold = func(*Batch, []byte, []Span, *Alphabet) (rest, empty uint32) { return 0, 0 }
		},
		"UTF-8":  func(p *path) { p.validUTF8 = func([]byte) bool { return true } },
		"hashes": func(p *path) { p.tokens = func(_ *MAC, dst []byte, _ *Batch, _ int) { clear(dst) } },
	} {
		spoilt := portable
		spoil(&spoilt)
		if spoilt.selfTest() == nil {
			t.Errorf("a path with the wrong %s passes", name)
		}
		if got, err := choose("", []path{spoilt, portable}); err != nil || got.name != "portable" {
			t.Errorf("%s: it is chosen all the same", name)
		}
		if _, err := choose("portable", []path{spoilt}); err == nil {
			t.Errorf("%s: forcing it is no error", name)
		}
	}
}

func TestChoose(t *testing.T) {
	fast := portable
	fast.name = "fast"
	have := []path{fast, portable}
	for asked, want := range map[string]string{"": "fast", "portable": "portable", "fast": "fast"} {
		if got, err := choose(asked, have); err != nil || got.name != want {
			t.Errorf("%q gives %s, %v", asked, got.name, err)
		}
	}
	got, err := choose("warp", have)
	if err == nil || got.name != "portable" || !strings.Contains(err.Error(), "fast, portable") || !strings.Contains(err.Error(), "warp") {
		t.Errorf("an unknown path gives %s, %v", got.name, err)
	}
}

func TestEnvironmentForcesThePath(t *testing.T) {
	if os.Getenv("SIMD_TEST_CHILD") != "" {
		fmt.Printf("path=%s err=%v\n", Path(), Err())
		return
	}
	for _, name := range append(Paths(), "warp") {
		child := exec.Command(os.Args[0], "-test.run", "^TestEnvironmentForcesThePath$", "-test.v")
		child.Env = append(os.Environ(), "SIMD_TEST_CHILD=1", Environment+"="+name)
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		want := "path=" + name + " err=<nil>"
		if name == "warp" {
			want = "path=portable err=EXACTMATCH_CPU=\"warp\""
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("%s: %s", name, out)
		}
	}
}
