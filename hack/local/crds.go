package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Bounds of the wait for CRDs; a busy machine takes a few seconds.
const (
	crdTimeout  = time.Minute
	crdInterval = 100 * time.Millisecond
)

// WaitForCRDs waits up to a minute until every CRD of the cluster can be used by
// any client: it is established, discovery lists it, and a LIST is answered. The
// API server fulfils these one after the other, shortly after an apply returns.
func (s *Stack) WaitForCRDs(ctx context.Context) error {
	config, err := s.Config()
	if err != nil {
		return err
	}
	return waitForCRDs(ctx, config, crdTimeout)
}

func waitForCRDs(ctx context.Context, config *rest.Config, timeout time.Duration) error {
	looks, err := newCRDLooks(config)
	if err != nil {
		return err
	}
	waiting, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	ticker := time.NewTicker(crdInterval)
	defer ticker.Stop()
	var missing error
	for {
		err := looks.served(waiting)
		if err == nil {
			return nil
		}
		if missing == nil || waiting.Err() == nil { // a look that the deadline cuts short knows nothing new
			missing = err
		}
		select {
		case <-ticker.C:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("the CRDs are not served after %s: %w", timeout, missing)
		}
	}
}

// crdLooks are the clients that a look at the CRDs takes.
type crdLooks struct {
	discovery *discovery.DiscoveryClient
	objects   *dynamic.DynamicClient
}

func newCRDLooks(config *rest.Config) (*crdLooks, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // no limit: a look is a dozen small requests
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	return &crdLooks{found, objects}, err
}

// served says why a CRD cannot be used yet, nil once all of them can be.
func (l *crdLooks) served(ctx context.Context) error {
	crds, err := l.crds(ctx)
	if err != nil {
		return err
	}
	if len(crds) == 0 {
		return errors.New("the cluster has no CRDs; apply config/crd/bases first")
	}
	// kubectl reads discovery as a whole, the manager one version at a time.
	_, whole, _, err := l.discovery.GroupsAndMaybeResourcesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read discovery: %w", err)
	}
	for _, crd := range crds {
		if reason := notEstablished(crd); reason != "" {
			return fmt.Errorf("%s is not established: %s", crd.Name, reason)
		}
		for _, version := range crd.Spec.Versions {
			if !version.Served {
				continue
			}
			resource := schema.GroupVersionResource{Group: crd.Spec.Group, Version: version.Name, Resource: crd.Spec.Names.Plural}
			if err := l.listed(ctx, resource, whole[resource.GroupVersion()]); err != nil {
				return fmt.Errorf("%s: %w", crd.Name, err)
			}
		}
	}
	return nil
}

// listed looks for one version of a CRD in both forms of discovery and lists its objects.
func (l *crdLooks) listed(ctx context.Context, resource schema.GroupVersionResource, whole *metav1.APIResourceList) error {
	version := resource.GroupVersion().String()
	alone, err := l.discovery.ServerResourcesForGroupVersionWithContext(ctx, version)
	if err != nil {
		return fmt.Errorf("discovery of %s: %w", version, err)
	}
	named := func(r metav1.APIResource) bool { return r.Name == resource.Resource }
	if whole == nil || !slices.ContainsFunc(whole.APIResources, named) || !slices.ContainsFunc(alone.APIResources, named) {
		return fmt.Errorf("discovery does not list it in %s", version)
	}
	if _, err := l.objects.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return fmt.Errorf("list objects of %s: %w", version, err)
	}
	return nil
}

func (l *crdLooks) crds(ctx context.Context) ([]apiextensionsv1.CustomResourceDefinition, error) {
	list, err := l.objects.Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the CRDs: %w", err)
	}
	var crds apiextensionsv1.CustomResourceDefinitionList
	err = runtime.DefaultUnstructuredConverter.FromUnstructured(list.UnstructuredContent(), &crds)
	return crds.Items, err
}

// notEstablished is the reason why a CRD's names are not served, "" where they are.
func notEstablished(crd apiextensionsv1.CustomResourceDefinition) string {
	reason := "the API server has not looked at it yet"
	for _, c := range crd.Status.Conditions {
		switch {
		case c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue:
			return ""
		case c.Status == apiextensionsv1.ConditionFalse:
			reason = fmt.Sprintf("%s is False: %s", c.Type, c.Message)
		}
	}
	return reason
}
