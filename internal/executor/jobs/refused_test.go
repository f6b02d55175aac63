package jobs

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestARefusedJobNamesWhoCanCorrectIt(t *testing.T) {
	for path, want := range map[string]string{
		"spec.template.spec.tolerations[0]": `correct spec.workers.template of ExactMatchUploadAgent "agent"`,
		"metadata.labels":                   `correct spec.workers.template of ExactMatchUploadAgent "agent"`,
		"metadata.name":                     "a bug of the operator",
		"spec.completions":                  "a bug of the operator",
	} {
		refused := apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: "Job"}, "job", field.ErrorList{
			field.Invalid(field.NewPath(path), strings.Repeat("x", 2000), "is not taken"),
		})
		if got := jobRefused("agent", refused).Error(); !strings.Contains(got, want) || !strings.Contains(got, path) {
			t.Errorf("%s: %s", path, got)
		}
	}
}
