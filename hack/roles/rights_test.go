package roles_test

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"sigs.k8s.io/yaml"
)

// right is one verb of one resource, which may have a subresource.
type right struct{ group, resource, verb string }

func (r right) String() string { return strings.TrimSuffix(r.verb+" "+r.resource+"."+r.group, ".") }

// ownerFinalizers is asked for by the API server itself, beside a create.
var ownerFinalizers = right{"exactmatch.dev", "exactmatchsessions/finalizers", "update"}

// inCluster are rights that no namespace can give.
func (r right) inCluster() bool {
	return slices.Contains([]string{"namespaces", "tokenreviews", "subjectaccessreviews"}, r.resource)
}

// rule grants a right alone.
func (r right) rule() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}}
}

// manifests are what kustomize builds of a folder: one of config, or an absolute path.
func manifests(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	built, err := builds(folder)
	if err != nil {
		t.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for text := range strings.SplitSeq(built, "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

func builds(folder string) (string, error) {
	builtOnce.Lock()
	defer builtOnce.Unlock()
	if text, ok := built[folder]; ok {
		return text, nil
	}
	var complaints strings.Builder
	path := folder
	if !filepath.IsAbs(folder) {
		path = filepath.Join("config", folder)
	}
	c := exec.Command("go", "tool", "-modfile=hack/tools/go.mod", "kustomize", "build", path)
	c.Dir, c.Stderr = "../..", &complaints
	text, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("kustomize build %s: %w: %s", path, err, complaints.String())
	}
	built[folder] = string(text)
	return built[folder], nil
}

var (
	builtOnce sync.Mutex
	built     = map[string]string{}
)

// roleOf reads a Role or ClusterRole; bindingOf what binds one. Either kind has
// the fields of the other.
func roleOf(t *testing.T, o *unstructured.Unstructured) *rbacv1.ClusterRole {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, role); err != nil {
		t.Fatal(err)
	}
	return role
}

func bindingOf(t *testing.T, o *unstructured.Unstructured) *rbacv1.ClusterRoleBinding {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, binding); err != nil {
		t.Fatal(err)
	}
	return binding
}

// granted are the rights that manifests give the manager.
func granted(t *testing.T, all []*unstructured.Unstructured) sets.Set[right] {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	for _, o := range all {
		if o.GetKind() == "ClusterRole" || o.GetKind() == "Role" {
			rules[o.GetKind()+o.GetName()] = roleOf(t, o).Rules
		}
	}
	out := sets.New[right]()
	for _, o := range all {
		if o.GetKind() != "ClusterRoleBinding" && o.GetKind() != "RoleBinding" {
			continue
		}
		b := bindingOf(t, o)
		if len(b.Subjects) != 1 || b.Subjects[0].Name != "exactmatch-manager" {
			t.Fatalf("%s %s binds %v", o.GetKind(), o.GetName(), b.Subjects)
		}
		bound := rules[b.RoleRef.Kind+b.RoleRef.Name]
		if len(bound) == 0 {
			t.Fatalf("%s %s binds %v, which is not there", o.GetKind(), o.GetName(), b.RoleRef)
		}
		for _, rule := range bound {
			out.Insert(rightsOf(rule)...)
		}
	}
	return out
}

func rightsOf(rule rbacv1.PolicyRule) []right {
	var out []right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				out = append(out, right{group, resource, verb})
			}
		}
	}
	return out
}

// recorder notes which rights the requests of a client need, and which of them
// the API server refuses.
type recorder struct {
	next http.RoundTripper

	mu            sync.Mutex
	used, refused sets.Set[right]
}

func newRecorder() *recorder {
	return &recorder{used: sets.New[right](), refused: sets.New[right]()}
}

var requests = &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	info, err := requests.NewRequestInfo(req)
	if err != nil {
		return nil, err
	}
	answer, err := r.next.RoundTrip(req)
	if err != nil || !info.IsResourceRequest {
		return answer, err
	}
	asked := right{info.APIGroup, info.Resource, info.Verb}
	if info.Subresource != "" {
		asked.resource += "/" + info.Subresource
	}
	if answer.StatusCode != http.StatusForbidden {
		r.note(r.used, asked)
		return answer, nil
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(strings.NewReader(string(text)))
	if strings.Contains(string(text), "cannot set blockOwnerDeletion") {
		asked = ownerFinalizers
	}
	r.note(r.used, asked)
	r.note(r.refused, asked)
	return answer, nil
}

func (r *recorder) note(in sets.Set[right], asked right) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in.Insert(asked)
}

func (r *recorder) has(in sets.Set[right], asked right) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return in.Has(asked)
}

// sorted lists rights for messages.
func (r *recorder) sorted(in sets.Set[right]) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return names(in)
}

func names(in sets.Set[right]) []string {
	var out []string
	for one := range in {
		out = append(out, one.String())
	}
	slices.Sort(out)
	return out
}
