package version

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.modified", Value: "true"}}
	for name, tc := range map[string]struct {
		number, commit string
		info           debug.BuildInfo
		want           []string
	}{
		"the build's record": {"", "", debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Version: "v1.2.3"}, Settings: settings},
			[]string{"exactmatch v1.2.3", "commit: 0123abc (modified)", "go: go1.99"}},
		"what the linker set": {"v2.0.0", "4567def", debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Version: "(devel)"}, Settings: settings},
			[]string{"exactmatch v2.0.0", "commit: 4567def", "go: go1.99"}},
		"neither": {"", "", debug.BuildInfo{GoVersion: "go1.99"}, []string{"exactmatch unknown", "commit: unknown", "go: go1.99"}},
	} {
		t.Run(name, func(t *testing.T) {
			number, commit = tc.number, tc.commit
			t.Cleanup(func() { number, commit = "", "" })
			want := strings.Join(append(tc.want, "fingerprint rules: v1", "block format: exactmatch.dev/block/v1", ""), "\n")
			if got := text(&tc.info); got != want {
				t.Errorf("it says\n%s\nwant\n%s", got, want)
			}
		})
	}
}
