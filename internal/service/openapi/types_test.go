package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// contract is the document as tests look at it.
type contract struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type schema struct {
	Properties map[string]schema `json:"properties"`
	Enum       []string          `json:"enum"`
}

func read(t *testing.T) contract {
	t.Helper()
	text, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	var c contract
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// described are the schemas of whole types: every property of one is in the other.
var described = map[string]any{
	"UploadAgent": edm.UploadAgent{}, "DataStore": edm.DataStore{}, "Column": edm.Column{}, "ColumnInput": edm.Column{}, "Live": edm.Live{}, "Previous": edm.Previous{},
	"Quota": edm.Quota{}, "Owner": edm.Owner{}, "Session": edm.Session{}, "ClassificationError": edm.ClassificationError{}, "ClassificationErrorDetail": edm.ErrorBase{},
	"InnerError": edm.InnerError{}, "ODataError": edm.ODataError{}, "ODataInnerError": edm.ODataError{}.InnerError, "LookupRequest": edm.LookupRequest{}, "MatchRequest": edm.MatchRequest{}, "MatchQuestion": edm.MatchQuestion{},
	"Answers": edm.MatchResponse{}, "MatchAnswer": edm.MatchAnswer{}, "MatchRow": edm.MatchRow{},
}

// beside are properties that no type has: ETags, that of Graph's
// navigation, and the other name of a session's dataStoreId.
var beside = map[string][]string{"UploadAgent": {tag}, "DataStore": {tag}, "Session": {tag, "uploadAgent", "datastoreId"}}

const tag = "@odata.etag"

// inputs are the schemas of requests, which have a part of a type.
var inputs = map[string]any{
	"UploadAgentInput": edm.UploadAgent{}, "UploadAgentChange": edm.UploadAgent{}, "DataStoreInput": edm.DataStore{}, "DataStoreChange": edm.DataStore{}, "SessionInput": edm.Session{}, "SessionChange": edm.Session{},
}

func TestSchemasHaveThePropertiesOfTypes(t *testing.T) {
	schemas := read(t).Components.Schemas
	for name, of := range described {
		want := append(propertiesOf(reflect.TypeOf(of)), beside[name]...)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(schemas[name].Properties)); !slices.Equal(got, want) {
			t.Errorf("the schema %s has the properties\n%v\nand the type\n%v", name, got, want)
		}
	}
	for name, of := range inputs {
		known := append(propertiesOf(reflect.TypeOf(of)), "datastoreId")
		for property := range schemas[name].Properties {
			if !slices.Contains(known, property) {
				t.Errorf("the schema %s has the property %s, which %T has not", name, property, of)
			}
		}
	}
}

// Every type of package edm that is on the wire has a schema.
func TestTypesHaveSchemas(t *testing.T) {
	has := map[reflect.Type]bool{}
	for _, of := range described {
		has[reflect.TypeOf(of)] = true
	}
	for name, of := range described {
		for part := range structsIn(reflect.TypeOf(of)) {
			if !has[part] {
				t.Errorf("%s of the schema %s has none", part, name)
			}
		}
	}
}

// structsIn are the structs of package edm in the fields of a type.
func structsIn(of reflect.Type) map[reflect.Type]bool {
	found := map[reflect.Type]bool{}
	for i := range of.NumField() {
		at := of.Field(i).Type
		for at.Kind() == reflect.Pointer || at.Kind() == reflect.Slice || at.Kind() == reflect.Map {
			at = at.Elem()
		}
		if at.Kind() == reflect.Struct && strings.HasSuffix(at.PkgPath(), "/edm") {
			found[at] = true
		}
	}
	return found
}

// propertiesOf are the names that a struct's fields have in JSON.
func propertiesOf(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		field := of.Field(i)
		if field.Anonymous {
			names = append(names, propertiesOf(field.Type)...)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func TestStatesAreThoseOfSessions(t *testing.T) {
	want := []string{
		string(edm.StateCreated), string(edm.StateUploadInProgress), string(edm.StateUploadCompleted), string(edm.StateProcessingInProgress),
		string(edm.StateCompleted), string(edm.StateCancelled), string(edm.StateFailed), string(edm.StateExpired),
	}
	if got := read(t).Components.Schemas["State"].Enum; !slices.Equal(got, want) {
		t.Errorf("the document has the states %v", got)
	}
}

// Every operation has an id of its own, a tag and a summary.
func TestOperationsAreNamed(t *testing.T) {
	ids := map[string]string{}
	for path, methods := range read(t).Paths {
		for method, text := range methods {
			var is struct {
				OperationID, Summary string
				Tags                 []string
			}
			if !slices.Contains([]string{"get", "head", "put", "post", "patch", "delete"}, method) {
				continue
			}
			if err := json.Unmarshal(text, &is); err != nil {
				t.Fatal(err)
			}
			at := fmt.Sprintf("%s %s", strings.ToUpper(method), path)
			if other, taken := ids[is.OperationID]; taken || is.OperationID == "" || is.Summary == "" || len(is.Tags) != 1 {
				t.Errorf("%s: its id %q must be its own (%s has it), and it must have one tag and a summary", at, is.OperationID, other)
			}
			ids[is.OperationID] = at
		}
	}
}
