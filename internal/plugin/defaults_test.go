package plugin

import (
	"fmt"
	"os"
	"slices"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// specOf is the schema of a kind's spec.
func specOf(t *testing.T, plural string) apiextensions.JSONSchemaProps {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/exactmatch.dev_" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensions.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

// defaultOf is a default as flags show it.
func defaultOf(t *testing.T, of apiextensions.JSONSchemaProps) string {
	t.Helper()
	var value any
	if of.Default == nil {
		return ""
	}
	if err := yaml.Unmarshal(of.Default.Raw, &value); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(value)
}

// The flags that say how to read a table have the defaults and the words of the API, which
// check on another machine judges by.
func TestFlagsHaveTheDefaultsOfTheAPI(t *testing.T) {
	spec := specOf(t, "exactmatchsessions").Properties
	format, bad := spec["source"].Properties["format"].Properties, spec["badRows"].Properties
	fields := map[string]apiextensions.JSONSchemaProps{
		"delimiter": format["delimiter"], "encoding": format["encoding"], "compression": format["compression"], "quoting": format["quoting"],
		"max-lines-per-record": format["maxLinesPerRecord"], "skip-lines": format["skipLines"], "short-rows": format["shortRows"],
		"rows-per-block": spec["rowsPerBlock"], "max-bad-rows-percent": bad["maxPercent"], "bad-rows-min-sample": bad["minSample"],
	}
	flags := checkCommand(&cluster{}).Flags()
	for name, field := range fields {
		want := defaultOf(t, field)
		if name == "skip-lines" {
			want = "0" // absent is none
		}
		if got := flags.Lookup(name).DefValue; field.Type == "" || got != want {
			t.Errorf("--%s is %q by default, and the field (%s) %q", name, got, field.Type, want)
		}
		var words []string
		for _, word := range field.Enum {
			words = append(words, string(word.Raw[1:len(word.Raw)-1]))
		}
		if len(words) > 0 != (formatWords[name] != nil) || !slices.Equal(slices.Sorted(slices.Values(words)), slices.Sorted(slices.Values(formatWords[name]))) {
			t.Errorf("--%s takes %q, and the field %q", name, formatWords[name], words)
		}
	}
}

// A data store of a file has the guards that it would have in the cluster.
func TestAStoreOfAFileHasTheGuardsOfTheAPI(t *testing.T) {
	file := t.TempDir() + "/store.yaml"
	if err := os.WriteFile(file, []byte("kind: ExactMatchDataStore\nspec: {columns: [{name: A}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := readStore(file)
	if err != nil {
		t.Fatal(err)
	}
	guards := specOf(t, "exactmatchdatastores").Properties["guards"].Properties
	got := store.Spec.Guards
	for field, value := range map[string]any{
		"maxRowDecreasePercent": got.MaxRowDecreasePercent, "requireAllColumns": got.RequireAllColumns, "maxUnfindablePercent": got.MaxUnfindablePercent,
	} {
		if want := defaultOf(t, guards[field]); want == "" || fmt.Sprint(value) != want {
			t.Errorf("guards.%s is %v, and by the API %s", field, value, want)
		}
	}
}

// The states in which a remote session is unfinished are those that the API calls so.
func TestUnfinishedStates(t *testing.T) {
	for state, want := range map[edm.State]bool{
		edm.StateCreated: true, edm.StateUploadInProgress: true, edm.StateUploadCompleted: true,
		edm.StateProcessingInProgress: false, edm.StateCompleted: false, edm.StateCancelled: false, edm.StateFailed: false, edm.StateExpired: false, "": false,
	} {
		o := &v1alpha1.ExactMatchSession{}
		o.Status.State = string(state)
		if isUnfinished(o) != want {
			t.Errorf("%q: unfinished is %t", state, !want)
		}
	}
}
