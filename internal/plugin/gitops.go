package plugin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldManager is who the plugin's changes are of. It does not begin with "kubectl":
// Flux takes over, and then removes, what managers with that prefix have set, and a
// token that is removed would be another request.
const fieldManager = "exactmatch-kubectl"

// gitopsManagers are the field managers of GitOps tools.
var gitopsManagers = map[string]string{
	"kustomize-controller":          "Flux",
	"helm-controller":               "Flux",
	"flux":                          "Flux",
	"argocd-controller":             "Argo CD",
	"argocd-application-controller": "Argo CD",
	"argocd":                        "Argo CD",
}

// owner is a GitOps tool and where its configuration of an object is.
type owner struct{ tool, of string }

// ownerOf is the GitOps tool that applies an object, if one does.
func ownerOf(o client.Object) owner {
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	switch {
	case labels["kustomize.toolkit.fluxcd.io/name"] != "":
		return owner{"Flux", fmt.Sprintf("Kustomization %s/%s", labels["kustomize.toolkit.fluxcd.io/namespace"], labels["kustomize.toolkit.fluxcd.io/name"])}
	case labels["helm.toolkit.fluxcd.io/name"] != "":
		return owner{"Flux", fmt.Sprintf("HelmRelease %s/%s", labels["helm.toolkit.fluxcd.io/namespace"], labels["helm.toolkit.fluxcd.io/name"])}
	case annotations["argocd.argoproj.io/tracking-id"] != "":
		app, _, _ := strings.Cut(annotations["argocd.argoproj.io/tracking-id"], ":")
		return owner{"Argo CD", "Application " + app}
	}
	for _, entry := range o.GetManagedFields() {
		if tool := gitopsManagers[entry.Manager]; tool != "" {
			return owner{tool, ""}
		}
	}
	return owner{}
}

// warnings say which of the fields of spec a GitOps tool owns: it sets them again.
func warnings(o client.Object, fields []string) []string {
	by := ownerOf(o)
	if by.tool == "" {
		return nil
	}
	name := by.tool
	if by.of != "" {
		name += " (" + by.of + ")"
	}
	var owned, free []string
	for _, field := range fields {
		if ownsField(o, field) {
			owned = append(owned, "spec."+field)
		} else {
			free = append(free, "spec."+field)
		}
	}
	var out []string
	if len(owned) > 0 {
		out = append(out, fmt.Sprintf("warning: %s owns %s and sets it again at its next sync: make the change in Git", name, strings.Join(owned, ", ")))
	}
	if len(free) > 0 {
		out = append(out, fmt.Sprintf("warning: %s applies this object, and Git does not set %s: the change stays in the cluster until Git sets another value; write it into Git as well", name, strings.Join(free, ", ")))
	}
	return out
}

// ownsField reports whether a GitOps tool has set a field of spec.
func ownsField(o client.Object, field string) bool {
	return slices.ContainsFunc(o.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		if gitopsManagers[entry.Manager] == "" || entry.FieldsV1 == nil {
			return false
		}
		var owned struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			return false
		}
		_, has := owned.Spec["f:"+field]
		return has
	})
}
