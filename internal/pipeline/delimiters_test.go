package pipeline_test

import (
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/testkit"
)

func TestCheckDelimiters(t *testing.T) {
	good := []schema.Column{{Name: "ID"}, {Name: "Account", IgnoredDelimiters: []string{"-", "\u200b"}}}
	if err := pipeline.CheckDelimiters(good); err != nil {
		t.Errorf("good columns are refused: %v", err)
	}
	err := pipeline.CheckDelimiters(append(good, schema.Column{Name: "Name", IsCaseInsensitive: true, IgnoredDelimiters: []string{"X"}}))
	testkit.WantFailure(t, err, failure.InvalidDelimiter, false)
	if !strings.Contains(err.Error(), `column "Name": ignoredDelimiters[0]: U+0058`) {
		t.Errorf("the error does not name the entry: %v", err)
	}
}
