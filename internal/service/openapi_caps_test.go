package service

import (
	"encoding/json"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
)

// The bounds of the document are the service's own.
func TestDocumentHasTheBounds(t *testing.T) {
	var document any
	if err := json.Unmarshal(documentText(t), &document); err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]int{
		"parameters top schema maximum": maxTop,
		"parameters top schema default": defaultTop,
		"responses UploadAgents content application/json schema properties value maxItems": maxTop,
		"responses DataStores content application/json schema properties value maxItems":   maxTop,
		"responses Sessions content application/json schema properties value maxItems":     maxTop,
		"schemas Description maxLength":                                          maxDescription,
		"schemas IgnoredDelimiters maxItems":                                     maxDelimiters,
		"schemas OwnerPart maxLength":                                            maxOwner,
		"schemas UploadAgentID maxLength":                                        maxRequestID,
		"headers client-request-id schema maxLength":                             maxRequestID,
		"schemas ColumnInputs maxItems":                                          block.MaxColumns,
		"schemas DataStore properties columns maxItems":                          block.MaxColumns,
		"schemas Session properties columns maxItems":                            block.MaxColumns,
		"schemas Live properties columns maxItems":                               block.MaxColumns,
		"schemas Fields maxItems":                                                block.MaxColumns,
		"schemas LookupRequest properties resultColumnNames maxItems":            block.MaxColumns,
		"schemas RowsPerBlock maximum":                                           block.MaxRows,
		"schemas TotalBlockCount maximum":                                        maxBlocks,
		"schemas BlockListInput properties Latest maxItems":                      maxBlocks,
		"schemas LookupRequest properties values maxItems":                       maxValues,
		"schemas Found properties value maxItems":                                maxFound,
		"schemas MatchRequest properties questions maxItems":                     edm.MaxQuestions,
		"schemas MatchQuestion properties limit maximum":                         edm.MaxLimit,
		"schemas MatchQuestion properties limit default":                         edm.DefaultLimit,
		"schemas MatchQuestion properties sameRow additionalProperties maxItems": edm.MaxSameRowTokens,
		"schemas MatchAnswer properties rows maxItems":                           edm.MaxLimit,
		"schemas MatchRow properties matched additionalProperties maximum":       edm.MaxSameRowTokens - 1,
		"schemas ODataError properties message maxLength":                        maxMessage,
	} {
		at := document
		for _, step := range append([]string{"components"}, strings.Fields(pointer)...) {
			of, _ := at.(map[string]any)
			at = of[step]
		}
		if got, is := at.(float64); !is || int(got) != want {
			t.Errorf("%s is %v, and the service has %d", pointer, at, want)
		}
	}
}
