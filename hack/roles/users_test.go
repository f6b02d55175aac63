package roles_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/sets"
)

// TestUserRoles holds what the cluster's own roles gain. Kubernetes aggregates view
// into edit and edit into admin.
func TestUserRoles(t *testing.T) {
	g := NewWithT(t)
	gained := map[string]sets.Set[right]{"view": {}, "edit": {}, "admin": {}}
	for _, o := range manifests(t, "default") {
		for _, role := range []string{"view", "edit", "admin"} {
			if o.GetLabels()["rbac.authorization.k8s.io/aggregate-to-"+role] == "true" {
				for _, rule := range roleOf(t, o).Rules {
					gained[role].Insert(rightsOf(rule)...)
				}
			}
		}
	}
	kinds := []string{"exactmatchsessions", "exactmatchschedules", "exactmatchdatastores", "exactmatchuploadagents"}
	verbs := func(role, kind string) []string {
		var out []string
		for one := range gained[role] {
			if one.group == "exactmatch.dev" && one.resource == kind {
				out = append(out, one.verb)
			}
		}
		slices.Sort(out)
		return out
	}
	read := []string{"get", "list", "watch"}
	write := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	for _, kind := range kinds {
		g.Expect(verbs("view", kind)).To(Equal(read), kind)
	}
	for _, kind := range kinds[:2] {
		g.Expect(verbs("edit", kind)).To(Equal(write), kind)
	}
	for _, kind := range kinds[2:] {
		g.Expect(verbs("edit", kind)).To(BeEmpty(), "%s names hosts and Secrets", kind)
		g.Expect(verbs("admin", kind)).To(Equal(write), kind)
	}
	for role, rights := range gained {
		for one := range rights {
			g.Expect(kinds).To(ContainElement(one.resource), "%s gains %v", role, one)
		}
	}
}
