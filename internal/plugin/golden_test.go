package plugin

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "write what the commands print now into testdata")

// seen is when the objects of testdata were captured, of a cluster with the operator and
// its service.
var seen = time.Date(2026, 11, 27, 11, 34, 20, 0, time.UTC)

// captured reads the objects of a file: the first session is the one that is meant, the
// second the one ahead of it.
func captured(t *testing.T, path string) *scene {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []runtime.RawExtension }
	if err := yaml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	s := &scene{}
	for _, item := range list.Items {
		var kind metav1.TypeMeta
		take(t, item.Raw, &kind)
		switch kind.Kind {
		case "ExactMatchSession":
			o := &v1alpha1.ExactMatchSession{}
			take(t, item.Raw, o)
			if s.session == nil {
				s.session = o
			} else {
				s.ahead = o
			}
		case "ExactMatchDataStore":
			s.store = &v1alpha1.ExactMatchDataStore{}
			take(t, item.Raw, s.store)
		case "ExactMatchUploadAgent":
			s.agent = &v1alpha1.ExactMatchUploadAgent{}
			take(t, item.Raw, s.agent)
		}
	}
	return s
}

func take(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		// TypeMeta alone leaves the rest out.
		if _, is := into.(*metav1.TypeMeta); !is {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsPrintedOfCapturedObjects holds status, why, diff and what the changing
// commands would do of each capture against the text beside it.
func TestWhatIsPrintedOfCapturedObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d captures: %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := printed(t, captured(t, path))
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("run the test with -update and look at the difference; it prints\n%s\nand not\n%s", got, want)
			}
		})
	}
}

// printed is what all commands print of a scene.
func printed(t *testing.T, s *scene) string {
	t.Helper()
	var out bytes.Buffer
	section := func(command string, run func() error) {
		fmt.Fprintf(&out, "$ kubectl exactmatch %s\n", command)
		err := run()
		if err != nil && err.Error() != "" {
			fmt.Fprintf(&out, "kubectl exactmatch: %s\n", err)
		}
		fmt.Fprintf(&out, "exit code %d\n\n", ExitCode(err))
	}
	one := []Summary{summaryOf(s.session)}
	section("status", func() error { return errors.Join(table(&out, one, seen, oneNamespace), needsSomebody(one)) })
	section("why", func() error { return s.why(seen).print(&out, "") })
	if s.store != nil {
		section("diff", func() error { return compare(s.session, s.store).print(&out, "") })
	}
	for _, c := range []struct {
		name string
		find changer
	}{{"approve", approval}, {"cancel", cancellation}} {
		section(c.name+" --dry-run", func() error {
			wanted, err := c.find(s.session)
			if err != nil {
				return err
			}
			for _, text := range warnings(s.session, slices.Sorted(maps.Keys(wanted.fields))) {
				fmt.Fprintln(&out, text)
			}
			return wanted.make(t.Context(), nil, s.session, dryRunClient, &out)
		})
	}
	return out.String()
}
