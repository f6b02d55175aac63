package roles_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// apply makes the roles, their bindings and the ServiceAccount of manifests, for
// as long as the test runs.
func apply(t *testing.T, all []*unstructured.Unstructured) {
	t.Helper()
	for _, o := range all {
		if o.GroupVersionKind().Group != rbacv1.GroupName && o.GetKind() != "ServiceAccount" {
			continue
		}
		o := o.DeepCopy()
		if err := kube.Create(t.Context(), o); err != nil {
			t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		t.Cleanup(func() {
			if err := kube.Delete(context.Background(), o); err != nil {
				t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
			}
		})
	}
}

// only leaves out what is not to be there.
func only(all []*unstructured.Unstructured, keep func(*unstructured.Unstructured) bool) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(all), func(o *unstructured.Unstructured) bool { return !keep(o) })
}

// performs runs the manager through the play: it asks for exactly what it is
// granted, some rights left out that the play gives no occasion for, and nothing is
// refused.
func (s *scene) performs(may sets.Set[right], unused ...right) {
	s.t.Helper()
	g := NewWithT(s.t)
	s.mayDo(may)
	g.Expect(s.start(s.t.Context())).To(Succeed())
	g.Expect(s.play(s.t.Context())).To(Succeed())
	s.awaits(right{"coordination.k8s.io", "leases", "update"}) // the leader renews its lease every 2 s
	g.Expect(s.requests.sorted(s.requests.refused)).To(BeEmpty(), "refused")
	// The API server itself asks for the finalizers; TestEveryVerbIsNeeded holds them.
	g.Expect(s.requests.sorted(s.requests.used)).To(Equal(names(may.Clone().Delete(append(unused, ownerFinalizers)...))), "asked for, against granted")
}

// mayDo waits until the API server has heard of the roles.
func (s *scene) mayDo(rights sets.Set[right]) {
	s.t.Helper()
	for one := range rights {
		NewWithT(s.t).Eventually(func() (bool, error) {
			resource, sub, _ := strings.Cut(one.resource, "/")
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: s.account, ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: s.home, Group: one.group, Resource: resource, Subresource: sub, Verb: one.verb},
			}}
			if one.inCluster() {
				review.Spec.ResourceAttributes.Namespace = ""
			}
			review.Spec.ResourceAttributes.Name = map[string]string{
				"namespaces": metav1.NamespaceSystem, "serviceaccounts/token": "exactmatch", "secrets": certificateSecret,
			}[one.resource]
			err := kube.Create(s.t.Context(), review)
			return review.Status.Allowed, err
		}, patience, 10*time.Millisecond).Should(BeTrue(), "%v is granted", one)
	}
}

func (s *scene) awaits(asked right) {
	s.t.Helper()
	NewWithT(s.t).Eventually(s.requests.has, patience, 25*time.Millisecond).WithArguments(s.requests.used, asked).Should(BeTrue(), "%v is asked for", asked)
}

// TestDefault runs what `make deploy` installs.
func TestDefault(t *testing.T) {
	all := manifests(t, "default")
	s := newScene(t, "exactmatch-system", "of-default")
	apply(t, all)
	s.performs(granted(t, all))
}

// TestWithoutWorkers runs the same without the component workers.
func TestWithoutWorkers(t *testing.T) {
	all := only(manifests(t, "default"), func(o *unstructured.Unstructured) bool { return o.GetName() != "exactmatch-workers" })
	may := granted(t, all)
	for may := range may {
		if may.resource == "secrets" && may.verb == "delete" || may.group == "batch" || may.resource == "pods" || may.resource == "persistentvolumeclaims" {
			t.Errorf("%v is for workers", may)
		}
	}
	s := newScene(t, "exactmatch-system", "of-no-workers")
	s.workerImage = ""
	apply(t, all)
	s.performs(may, right{"events.k8s.io", "events", "patch"}) // an event that is told again: here only of a lost Job
}

// TestNamespaced runs what config/namespaced installs: nothing of it reaches
// beyond its namespace.
func TestNamespaced(t *testing.T) {
	g := NewWithT(t)
	all := manifests(t, "namespaced")
	for _, o := range all {
		mapping, err := kube.RESTMapper().RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(mapping.Scope.Name()).To(BeEquivalentTo("namespace"), "%s %s", o.GetKind(), o.GetName())
		g.Expect(o.GetNamespace()).To(Equal("exactmatch"), "%s %s", o.GetKind(), o.GetName())
	}
	args := argsOf(t, all)
	g.Expect(args).To(ContainElements("--namespaces=$(POD_NAMESPACE)", "--cluster-id=$(POD_NAMESPACE)", "--metrics-bind-address=0"))
	other := newScene(t, "exactmatch", "elsewhere")
	s := newScene(t, "exactmatch", "exactmatch")
	s.only, s.cluster, s.metricsAddress = []string{"exactmatch"}, "exactmatch", "0"
	apply(t, all)
	stranger := other.ours()[0].(*v1alpha1.ExactMatchUploadAgent)
	g.Expect(kube.Create(t.Context(), stranger)).To(Succeed())
	s.performs(granted(t, all))
	g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(stranger), stranger)).To(Succeed())
	g.Expect(stranger.Finalizers).To(BeEmpty(), "the manager has not seen it")
	g.Expect(kube.Delete(t.Context(), stranger)).To(Succeed())
}

// argsOf are the arguments of the manager's container.
func argsOf(t *testing.T, all []*unstructured.Unstructured) []string {
	t.Helper()
	for _, o := range all {
		if o.GetKind() != "Deployment" {
			continue
		}
		containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		if err != nil || len(containers) != 1 {
			t.Fatalf("containers %v, %v", containers, err)
		}
		args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		if err != nil {
			t.Fatal(err)
		}
		return args
	}
	t.Fatal("there is no Deployment")
	return nil
}

// TestEveryVerbIsNeeded takes each verb away from a manager that has all others,
// and sees the API server refuse what the manager then asks for.
func TestEveryVerbIsNeeded(t *testing.T) {
	all := granted(t, manifests(t, "default"))
	if len(all) < 30 {
		t.Fatalf("only %d rights: %v", len(all), names(all))
	}
	for lost := range all {
		t.Run(strings.ReplaceAll(lost.String(), "/", "-"), func(t *testing.T) {
			t.Parallel()
			name := strings.NewReplacer(" ", "-", "/", "-", ".", "-").Replace("no-" + lost.String())
			s := newScene(t, name, name)
			s.only = []string{name}
			rest := all.Clone().Delete(lost)
			s.grants(rest)
			s.mayDo(rest)
			if err := s.start(t.Context()); err == nil {
				s.begin()
				defer s.grants(all) // a manager whose caches are not filled does not stop
			}
			NewWithT(t).Eventually(s.requests.has, patience, 25*time.Millisecond).WithArguments(s.requests.refused, lost).
				Should(BeTrue(), "the manager asks for %v", lost)
			if refused := s.requests.sorted(s.requests.refused); len(refused) > 1 {
				t.Errorf("also refused: %v", refused)
			}
		})
	}
}

// grants gives exactly such rights to the manager of a scene.
func (s *scene) grants(rights sets.Set[right]) {
	s.t.Helper()
	here, everywhere := []rbacv1.PolicyRule{}, []rbacv1.PolicyRule{}
	for one := range rights {
		if one.inCluster() {
			everywhere = append(everywhere, one.rule())
		} else {
			here = append(here, one.rule())
		}
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.home, Name: "exactmatch-manager"}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: s.home}
	inCluster := ref
	inCluster.Kind = "ClusterRole"
	named := metav1.ObjectMeta{Namespace: s.home, Name: s.home}
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: named, Rules: here}, &rbacv1.RoleBinding{ObjectMeta: named, RoleRef: ref, Subjects: subjects},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: s.home}, Rules: everywhere},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: s.home}, RoleRef: inCluster, Subjects: subjects},
	} {
		err := kube.Create(context.Background(), o)
		if apierrors.IsAlreadyExists(err) {
			err = kube.Update(context.Background(), o)
		}
		NewWithT(s.t).Expect(err).NotTo(HaveOccurred())
	}
}
