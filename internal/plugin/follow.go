package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// follower shows sessions as they change.
type follower interface {
	show(Summary)
	gone(Summary)
	end()
}

// following follows the sessions of a namespace, or the one that is named.
type following struct {
	kube            client.WithWatch
	namespace, name string
	to              follower
}

// run follows until nothing more happens by itself, and returns what is seen last. A
// lost connection is made again.
func (f *following) run(ctx context.Context) ([]Summary, error) {
	defer f.to.end()
	first, err := sessions(ctx, f.kube, f.namespace, f.name)
	if err != nil {
		return nil, err
	}
	seen := map[string]Summary{}
	for _, s := range first {
		seen[s.key()] = s
		f.to.show(s)
	}
	if settled(seen) {
		return values(seen), nil
	}
	_, err = watchtools.UntilWithSync(ctx, f.source(), &v1alpha1.ExactMatchSession{}, nil, func(e watch.Event) (bool, error) {
		return f.take(seen, e)
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return values(seen), err
}

// take adds an event to what is seen, and says whether nothing more happens.
func (f *following) take(seen map[string]Summary, e watch.Event) (bool, error) {
	o, ok := e.Object.(*v1alpha1.ExactMatchSession)
	if !ok {
		return false, apierrors.FromObject(e.Object)
	}
	s := summaryOf(o)
	if e.Type == watch.Deleted {
		delete(seen, s.key())
		f.to.gone(s)
		if f.name != "" {
			return false, fmt.Errorf("ExactMatchSession %q was deleted", f.name)
		}
		return settled(seen), nil
	}
	seen[s.key()] = s
	f.to.show(s)
	return settled(seen), nil
}

// source lists and watches.
func (f *following) source() cache.ListerWatcher {
	options := func(raw metav1.ListOptions) *client.ListOptions {
		if f.name != "" {
			raw.FieldSelector = fields.OneTermEqualSelector("metadata.name", f.name).String()
		}
		return &client.ListOptions{Namespace: f.namespace, Raw: &raw}
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
			var list v1alpha1.ExactMatchSessionList
			return &list, f.kube.List(ctx, &list, options(raw))
		},
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			return f.kube.Watch(ctx, &v1alpha1.ExactMatchSessionList{}, options(raw))
		},
	}
}

// settled reports whether nothing more happens by itself.
func settled(seen map[string]Summary) bool {
	for _, s := range seen {
		if s.Verdict == Working {
			return false
		}
	}
	return true
}

func values(seen map[string]Summary) []Summary {
	var out []Summary
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, seen[key])
	}
	return out
}

func (s Summary) key() string { return s.Namespace + "/" + s.Name }
