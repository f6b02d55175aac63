package convert

import (
	"reflect"
	"testing"

	"exactmatch.dev/operator/api/v1alpha1"
)

// A field that is added to one side and not to the other is lost on the way.
func TestEveryFieldIsTaken(t *testing.T) {
	store := &v1alpha1.ExactMatchDataStore{}
	store.Spec.Columns = []v1alpha1.Column{{Name: "a", SourceName: "b", IsSearchable: new(true), IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}}}
	format := v1alpha1.Format{Delimiter: ";", Encoding: "UTF-8", Compression: "Gzip", Quoting: "None", MaxLinesPerRecord: 2, SkipLines: 3, ShortRows: "Pad"}
	for name, value := range map[string]any{
		"a column": Columns(store)[0], "a remote column": RemoteColumns(store)[0], "the spec's column": store.Spec.Columns[0],
		"a format": Format(format), "the spec's format": format,
	} {
		of := reflect.ValueOf(value)
		for i := range of.NumField() {
			field := of.Type().Field(i).Name
			if of.Field(i).IsZero() && field != "RulesID" { // which the service makes
				t.Errorf("%s: %s is not set", name, field)
			}
		}
	}
	if got := SpecFormat(Format(format)); got != format {
		t.Errorf("there and back it is %+v, was %+v", got, format)
	}
}

// Columns are searchable unless they say otherwise.
func TestColumnsAreSearchable(t *testing.T) {
	store := &v1alpha1.ExactMatchDataStore{}
	store.Spec.Columns = []v1alpha1.Column{{Name: "a"}, {Name: "b", IsSearchable: new(false)}}
	if got := Columns(store); !got[0].IsSearchable || got[1].IsSearchable {
		t.Errorf("they are %+v", got)
	}
	if got := RemoteColumns(store); !got[0].IsSearchable || got[1].IsSearchable {
		t.Errorf("at the service they are %+v", got)
	}
}
