package roles_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
)

// TestApproverAlone says what somebody may do who has the role approver and no other:
// release and stop, and nothing else, whatever fields the kind has.
func TestApproverAlone(t *testing.T) {
	a := newApproval(t, "approval-alone")
	a.binds("approve-alone", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "approver"}, "releaser")
	releaser := a.as("releaser")
	s := a.session("released", uploaded)
	a.Expect(kube.Create(t.Context(), s)).To(Succeed())
	t.Cleanup(func() { a.Expect(kube.Delete(context.Background(), s)).To(Succeed()) })
	patch := func(text string) error {
		target := a.session("released")
		return releaser.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, []byte(text)), client.DryRunAll)
	}
	a.Eventually(func() error { return patch(`{"spec":{"suspend":true}}`) }, patience, "20ms").Should(Succeed(), "the role is in force")
	a.Eventually(func() error { return patch(`{"metadata":{"labels":{"a":"b"}}}`) }, patience, "20ms").ShouldNot(Succeed(), "the policy is in force")

	for _, may := range []string{
		`{"spec":{"desiredState":"Committed","checksum":"` + otherContent + `"}}`, `{"spec":{"desiredState":"Cancelled"}}`,
		`{"spec":{"guardOverride":"` + otherContent + `"}}`, `{"spec":{"suspend":true}}`,
	} {
		a.Expect(patch(may)).To(Succeed(), may)
	}
	tried := 0
	for name, value := range sampleOfEachField(t) {
		switch name {
		case "desiredState", "checksum", "guardOverride", "suspend":
			continue
		}
		text, err := json.Marshal(map[string]any{"spec": map[string]any{name: value}})
		a.Expect(err).NotTo(HaveOccurred())
		err = patch(string(text))
		if apierrors.IsInvalid(err) {
			continue // the value is of no use; the API server says so before any policy
		}
		a.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", text, err)
		a.Expect(err).To(MatchError(ContainSubstring("ask an editor")), "%s", text)
		tried++
	}
	a.Expect(tried).To(BeNumerically(">=", 5), "fields that were tried")
	for _, metadata := range []string{`{"labels":{"a":"b"}}`, `{"annotations":{"a":"b"}}`, `{"finalizers":["a.example/b"]}`} {
		err := patch(`{"metadata":` + metadata + `}`)
		a.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", metadata, err)
	}
	a.Expect(apierrors.IsForbidden(releaser.Create(t.Context(), a.session("other", uploaded), client.DryRunAll))).To(BeTrue(), "create")
	a.Expect(apierrors.IsForbidden(releaser.Delete(t.Context(), a.session("released"), client.DryRunAll))).To(BeTrue(), "delete")
	approverPatch := a.session("released")
	a.Expect(a.approver.Patch(t.Context(), approverPatch, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"restartToken":"2"}}`)), client.DryRunAll)).
		To(Succeed(), "an approver who is an editor edits")
}

// sampleOfEachField has a value for every field of a session's spec that differs from
// the one of the tests' session.
func sampleOfEachField(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/exactmatch.dev_exactmatchsessions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensions.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for name, field := range crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties {
		if value, ok := sample(field); ok {
			out[name] = value
		}
	}
	// What no schema gives away.
	out["source"] = map[string]any{"uri": "https://example.com/next.csv"}
	out["rowsPerBlock"], out["fields"] = 5, []string{"ID"}
	out["badRows"] = map[string]any{"maxPercent": 90}
	out["deletionPolicy"] = string(v1alpha1.SessionDeletionPolicyOrphan)
	return out
}

func sample(field apiextensions.JSONSchemaProps) (any, bool) {
	switch {
	case len(field.Enum) > 0:
		var last any
		err := json.Unmarshal(field.Enum[len(field.Enum)-1].Raw, &last)
		return last, err == nil
	case field.Type == "string":
		return "2", true
	case field.Type == "boolean":
		return true, true
	case field.Type == "integer" && field.Minimum != nil:
		return *field.Minimum + 1, true
	case field.Type == "integer":
		return 2, true
	}
	return nil, false
}
