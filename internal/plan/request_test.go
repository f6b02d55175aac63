package plan

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/schema"
)

func request() Request {
	return Request{
		Store: "staff", StoreObject: "staff-store",
		Columns:      []schema.Column{{Name: "ID", SourceName: "id", IgnoredDelimiters: []string{"."}, IsSearchable: true}, {Name: "Name", IsCaseInsensitive: true, IgnoredDelimiters: []string{"-", " "}}},
		Fields:       []string{"Name", "ID"},
		Source:       Source{URI: "https://exports.example.com/staff.csv", CredentialsSecret: "exports"},
		Format:       schema.Format{Delimiter: ";"},
		RowsPerBlock: 1000, BadRows: BadRowsAllowance{MaxPercent: 1, MinSample: 100}, RestartToken: "one", KeyID: "0102030405060708", SourceVersion: "v1",
	}
}

func versionOf(t *testing.T, r Request) string {
	t.Helper()
	p, err := r.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return r.Version(p)
}

// leaves calls f with each field of a request, as it is written and how another value
// is set.
func leaves(of reflect.Value, path string, f func(path string, set func())) {
	switch of.Kind() {
	case reflect.Struct:
		for i := range of.NumField() {
			leaves(of.Field(i), strings.TrimPrefix(path+"."+of.Type().Field(i).Name, "."), f)
		}
	case reflect.Slice:
		if of.Len() > 0 {
			leaves(of.Index(0), path+"[0]", f)
		}
		f(path, func() { of.Set(of.Slice(0, max(of.Len()-1, 0))) })
	case reflect.Bool:
		f(path, func() { of.SetBool(!of.Bool()) })
	case reflect.String:
		f(path, func() { of.SetString(of.String() + "'") })
	default:
		f(path, func() { of.SetInt(of.Int() + 1) })
	}
}

// TestWhatDigestsNotice sets every field once: the version of a reading differs where
// the field decides the blocks, and the hash of the spec where the field stands there.
// A field that is added to a request has to be added here.
func TestWhatDigestsNotice(t *testing.T) {
	wants := map[string]string{ // V: the version, S: the hash of the spec
		"Store": "", "StoreObject": "", "Pin": "", "RestartToken": "V", "KeyID": "V", "SourceVersion": "V",
		"Columns": "-", "Columns[0].Name": "-", "Columns[0].SourceName": "V", "Columns[0].IsSearchable": "V", "Columns[0].IsCaseInsensitive": "V",
		"Columns[0].IgnoredDelimiters": "V", "Columns[0].IgnoredDelimiters[0]": "V", "Fields": "VS", "Fields[0]": "-",
		"Source.URI": "VS", "Source.CredentialsSecret": "VS", "Source.URISecret.Name": "VS", "Source.URISecret.Key": "",
		"Source.ConfigMap.Name": "VS", "Source.ConfigMap.Key": "", "Source.Claim.Claim": "VS", "Source.Claim.Path": "",
		"Format.Delimiter": "VS", "Format.Encoding": "VS", "Format.Compression": "VS", "Format.Quoting": "VS", "Format.ShortRows": "VS",
		"Format.MaxLinesPerRecord": "VS", "Format.SkipLines": "VS", "RowsPerBlock": "VS", "BadRows.MaxPercent": "VS", "BadRows.MinSample": "VS",
	}
	var paths []string
	leaves(reflect.ValueOf(new(request())).Elem(), "", func(path string, _ func()) { paths = append(paths, path) })
	if !slices.Equal(slices.Sorted(slices.Values(paths)), slices.Sorted(maps.Keys(wants))) {
		t.Fatalf("a request has %v", paths)
	}
	for n, path := range paths {
		t.Run(path, func(t *testing.T) {
			before, after := request(), request()
			at := 0
			leaves(reflect.ValueOf(&after).Elem(), "", func(_ string, set func()) {
				if at == n {
					set()
				}
				at++
			})
			want := wants[path]
			if want == "-" { // the fields do not fit the columns any more
				if _, err := after.Plan(); err == nil {
					t.Error("it is planned")
				}
				return
			}
			got := ""
			if versionOf(t, before) != versionOf(t, after) {
				got += "V"
			}
			if before.SpecHash() != after.SpecHash() {
				got += "S"
			}
			if got != want {
				t.Errorf("%q differ, want %q", got, want)
			}
		})
	}
}

// The digests stand in status: another value has every object of a cluster read again.
func TestDigestsStay(t *testing.T) {
	r := request()
	got := []string{versionOf(t, r), r.SpecHash(), Inputs("v", ""), Inputs("v", "sha256:00"), ContentVersion("uid", []byte("content"))}
	want := []string{"1305cd9439a63b5b", "333d068f5f85e2d1", "74f0b2694ae6a1e3", "d7e51c5fa08b107e", "773e1f8312c0a281"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Fields come in their own order; a reference that is named is told from its key.
func TestReferencesAreToldApart(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*Request){
		"as it is":          func(*Request) {},
		"fields turned":     func(r *Request) { r.Fields = []string{"ID", "Name"} },
		"a Secret":          func(r *Request) { r.Source = Source{URISecret: Entry{"a", "b"}} },
		"another key of it": func(r *Request) { r.Source = Source{URISecret: Entry{"a", "c"}} },
		"a ConfigMap":       func(r *Request) { r.Source = Source{ConfigMap: Entry{"a", "b"}} },
		"a claim":           func(r *Request) { r.Source = Source{Claim: File{"a", "b"}} },
		"another path":      func(r *Request) { r.Source = Source{Claim: File{"a", "c"}} },
	} {
		r := request()
		change(&r)
		version := versionOf(t, r)
		if other, found := seen[version]; found {
			t.Errorf("%s and %s have one version", name, other)
		}
		seen[version] = name
	}
	same := request()
	same.Columns[1].IgnoredDelimiters = []string{" ", "-", " "}
	if versionOf(t, same) != versionOf(t, request()) {
		t.Error("the order of ignored delimiters decides")
	}
}

func TestPlanOfARequest(t *testing.T) {
	r := request()
	p, err := r.Plan()
	if err != nil || !slices.Equal(p.Names(), r.Fields) || !slices.Equal(p.Searchable(), []string{"ID"}) {
		t.Errorf("%v of %v, %v", p.Searchable(), p.Names(), err)
	}
	r.Fields = nil
	if p, err = r.Plan(); err != nil || !slices.Equal(p.Names(), []string{"ID", "Name"}) {
		t.Errorf("without fields: %v, %v", p.Names(), err)
	}
	r.Fields = []string{"ID", "Salary"}
	_, err = r.Plan()
	var failed *failure.Error
	if !errors.As(err, &failed) || failed.Reason != failure.MissingColumn {
		t.Fatalf("an unknown field: %v", err)
	}
	for _, words := range []string{"spec.fields[1]", `"Salary"`, `"staff-store"`, "ID, Name"} {
		if !strings.Contains(fmt.Sprint(err), words) {
			t.Errorf("%q does not say %s", err, words)
		}
	}
}
