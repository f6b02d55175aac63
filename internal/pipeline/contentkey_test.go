package pipeline

import (
	"encoding/json"
	"os"
	"testing"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
)

// keyVector is one of testdata/contentkeys.json, which a program independent of
// the code here has made.
type keyVector struct {
	About, Content, Store, KeyID, ContentKey string
	RowsPerBlock                             int
	Format                                   schema.Format
	Columns                                  []struct {
		Name, SourceName  string
		IsSearchable      *bool
		IsCaseInsensitive bool
		IgnoredDelimiters []string
	}
}

func (v keyVector) plan() (Plan, *Prepared) {
	p := Plan{Plan: plan.Plan{Store: v.Store, RowsPerBlock: v.RowsPerBlock, Format: v.Format}}
	for _, c := range v.Columns {
		p.Columns = append(p.Columns, schema.Column{Name: c.Name, SourceName: c.SourceName, IsSearchable: c.IsSearchable == nil || *c.IsSearchable,
			IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
	}
	return p, &Prepared{Content: v.Content, KeyID: v.KeyID}
}

func TestContentKeysAreTheVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/contentkeys.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []keyVector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 10 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		plan, prepared := v.plan()
		got := plan.contentKey(prepared)
		if got != v.ContentKey {
			t.Errorf("%s: %s, want %s", v.About, got, v.ContentKey)
		}
		if !KnownContentKey(got) {
			t.Errorf("%s: its version is not known", got)
		}
	}
	if earlier := "sha256:" + vectors[0].ContentKey[len("content/v2:sha256:"):]; KnownContentKey(earlier) {
		t.Errorf("%s: a key of an earlier version is known", earlier)
	}
}

// Fields run into each other in no digest: where a boundary lies tells texts apart.
func TestDigestsKeepFieldsApart(t *testing.T) {
	text := rapid.StringMatching(`[ab=\n]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(text, 2, 6)
		one, two := fields.Draw(t, "one"), fields.Draw(t, "two")
		sum := func(texts []string) string {
			d := plan.NewDigest("test/v1")
			for i := 0; i+1 < len(texts); i += 2 {
				d.Add(texts[i], texts[i+1])
			}
			return d.Hex()
		}
		one, two = one[:len(one)/2*2], two[:len(two)/2*2]
		same := len(one) == len(two)
		for i := 0; same && i < len(one); i++ {
			same = one[i] == two[i]
		}
		if (sum(one) == sum(two)) != same {
			t.Fatalf("%q and %q", one, two)
		}
	})
}
