package openapitest_test

import (
	"testing"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"

	"exactmatch.dev/operator/internal/service/openapi"
)

// The examples are what their schemas say.
func TestExamplesFit(t *testing.T) {
	text, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			if operation.RequestBody != nil {
				seen += checkExamples(t, method+" "+path, operation.RequestBody.Content)
			}
			for status, response := range operation.Responses.Codes.FromOldest() {
				seen += checkExamples(t, method+" "+path+" "+status, response.Content)
			}
		}
	}
	if seen < 20 {
		t.Errorf("the document has only %d examples", seen)
	}
}

func checkExamples(t *testing.T, where string, of *orderedmap.Map[string, *v3.MediaType]) (seen int) {
	t.Helper()
	for _, media := range of.FromOldest() {
		if media.Example == nil {
			continue
		}
		var example any
		if err := media.Example.Decode(&example); err != nil {
			t.Fatal(err)
		}
		seen++
		if fits, faults := schema_validation.NewSchemaValidator().ValidateSchemaObject(media.Schema.Schema(), example); !fits {
			t.Errorf("%s: the example is not as the schema says: %v", where, faults)
		}
	}
	return seen
}
