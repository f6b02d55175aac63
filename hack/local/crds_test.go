package local

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// What a fake API server fulfils of a CRD, one after the other.
const (
	applied int32 = iota
	established
	inVersion
	inDiscovery
	answersLists
)

// fakeAPIServer has fulfilled so much of the one CRD that it holds.
type fakeAPIServer struct {
	stage atomic.Int32
	crds  int
	next  int32 // how much one more look at the CRDs brings
}

func newFakeAPIServer(t *testing.T, stage, next int32) (*fakeAPIServer, *rest.Config) {
	t.Helper()
	f := &fakeAPIServer{crds: 1, next: next}
	f.stage.Store(stage)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, &rest.Config{Host: server.URL}
}

func (f *fakeAPIServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stage := f.stage.Load()
	switch path := r.URL.Path; {
	case path == "/apis/apiextensions.k8s.io/v1/customresourcedefinitions":
		f.stage.Add(f.next)
		answer(w, "application/json", f.list(stage))
	case path == "/api" || path == "/apis":
		answer(w, discovery.AcceptV2, wholeDiscovery(path == "/apis" && stage >= inDiscovery))
	case path == "/apis/exactmatch.dev/v1alpha1" && stage >= inVersion:
		answer(w, "application/json", metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "exactmatch.dev/v1alpha1",
			APIResources: []metav1.APIResource{{Name: "exactmatchsessions", Kind: "ExactMatchSession", Namespaced: true, Verbs: metav1.Verbs{"list"}}},
		})
	case path == "/apis/exactmatch.dev/v1alpha1/exactmatchsessions" && stage >= answersLists:
		answer(w, "application/json", map[string]any{"kind": "ExactMatchSessionList", "apiVersion": "exactmatch.dev/v1alpha1", "metadata": map[string]any{}, "items": []any{}})
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeAPIServer) list(stage int32) apiextensionsv1.CustomResourceDefinitionList {
	list := apiextensionsv1.CustomResourceDefinitionList{TypeMeta: metav1.TypeMeta{Kind: "CustomResourceDefinitionList", APIVersion: "apiextensions.k8s.io/v1"}}
	for range f.crds {
		crd := apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "exactmatchsessions.exactmatch.dev"}}
		crd.Spec.Group, crd.Spec.Names.Plural = "exactmatch.dev", "exactmatchsessions"
		crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1alpha1", Served: true}, {Name: "v1alpha0"}}
		if stage >= established {
			crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}
		}
		list.Items = append(list.Items, crd)
	}
	return list
}

func wholeDiscovery(listed bool) (all apidiscoveryv2.APIGroupDiscoveryList) {
	all.TypeMeta = metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"}
	if listed {
		all.Items = []apidiscoveryv2.APIGroupDiscovery{{ObjectMeta: metav1.ObjectMeta{Name: "exactmatch.dev"}, Versions: []apidiscoveryv2.APIVersionDiscovery{{
			Version: "v1alpha1", Resources: []apidiscoveryv2.APIResourceDiscovery{{
				Resource: "exactmatchsessions", Scope: apidiscoveryv2.ScopeNamespace, Verbs: []string{"list"}, ResponseKind: &metav1.GroupVersionKind{Kind: "ExactMatchSession"},
			}},
		}}}}
	}
	return all
}

func answer(w http.ResponseWriter, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	_ = json.NewEncoder(w).Encode(body)
}

func TestWaitForCRDsWaitsForEveryStage(t *testing.T) {
	f, config := newFakeAPIServer(t, applied, 1)
	if err := waitForCRDs(t.Context(), config, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := f.stage.Load(); got < answersLists {
		t.Errorf("the wait ended at stage %d, before lists were answered (%d)", got, answersLists)
	}
}

func TestWaitForCRDsNamesWhatIsMissing(t *testing.T) {
	for want, stage := range map[string]int32{
		"not served after 300ms: exactmatchsessions.exactmatch.dev is not established":             applied,
		"exactmatchsessions.exactmatch.dev: discovery of exactmatch.dev/v1alpha1":                  established,
		"exactmatchsessions.exactmatch.dev: discovery does not list it in exactmatch.dev/v1alpha1": inVersion,
		"exactmatchsessions.exactmatch.dev: list objects of exactmatch.dev/v1alpha1":               inDiscovery,
	} {
		_, config := newFakeAPIServer(t, stage, 0)
		if err := waitForCRDs(t.Context(), config, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("stage %d: %v, want %q", stage, err, want)
		}
	}
}

func TestWaitForCRDsWantsThemApplied(t *testing.T) {
	f, config := newFakeAPIServer(t, answersLists, 0)
	f.crds = 0
	if err := waitForCRDs(t.Context(), config, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "apply config/crd/bases first") {
		t.Errorf("%v", err)
	}
}
