package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/hack/measure"
)

// The roles of sessions: the first word of their names.
const (
	roleModel    = "model"    // ran to its end in truth; the finished ones are copies of its status
	roleFinished = "finished" // the manager must leave these alone
	roleActive   = "active"   // are being indexed for as long as the run takes
	roleWaiting  = "waiting"  // until an active one has ended
	roleCreated  = "created"  // while it is timed
)

func roleOf(name string) string {
	role, _, _ := strings.Cut(name, "-")
	return role
}

// held says which sessions the proxy shows as being indexed.
func held(fileName string) bool { return roleOf(fileName) == roleActive }

// cluster makes the run's objects in one namespace.
type cluster struct {
	client.WithWatch
	endpoint, token string
}

const namespace = "default"

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		panic(err) // the types are compiled in
	}
	return scheme
}

func newCluster(config *rest.Config, endpoint, token string) (*cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	kube, err := client.NewWithWatch(config, client.Options{Scheme: newScheme()})
	return &cluster{kube, endpoint, token}, err
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// table is what every session uploads, in blocks of 2 rows.
const table = "ID,City\nA-1,Oslo\nA-2,Bergen\nA-3,Lund\nA-4,Turku\n"

// common makes what all share: the Secrets, the table and the upload agent.
func (c *cluster) common(ctx context.Context) error {
	for _, o := range []client.Object{
		&corev1.Secret{ObjectMeta: named("token"), Data: map[string][]byte{"token": []byte(c.token)}},
		&corev1.Secret{ObjectMeta: named("key"), Data: map[string][]byte{"key": []byte(strings.Repeat("k", 32))}},
		&corev1.ConfigMap{ObjectMeta: named("table"), Data: map[string]string{"table.csv": table}},
		&v1alpha1.ExactMatchUploadAgent{ObjectMeta: named("agent"), Spec: v1alpha1.ExactMatchUploadAgentSpec{
			Endpoint: c.endpoint, Auth: v1alpha1.Auth{BearerTokenSecretRef: &v1alpha1.TokenReference{Name: "token"}},
			Allow: v1alpha1.Allow{Hosts: []string{"127.0.0.1"}},
		}},
	} {
		if err := c.Create(ctx, o); err != nil {
			return fmt.Errorf("create %T %s: %w", o, o.GetName(), err)
		}
	}
	return nil
}

// storeName of the nth store of a family.
func storeName(family string, n int) string { return fmt.Sprintf("%s-%03d", family, n) }

// stores makes stores and waits until they are ready.
func (c *cluster) stores(ctx context.Context, family string, count int) error {
	for n := range count {
		store := &v1alpha1.ExactMatchDataStore{ObjectMeta: named(storeName(family, n)), Spec: v1alpha1.ExactMatchDataStoreSpec{
			UploadAgentRef: v1alpha1.LocalReference{Name: "agent"}, KeySecretRef: v1alpha1.SecretKeyReference{Name: "key"},
			Columns: []v1alpha1.Column{{Name: "ID"}, {Name: "City"}},
		}}
		if err := c.Create(ctx, store); err != nil {
			return err
		}
	}
	return c.until(ctx, "stores are ready", func() (bool, error) {
		list := &v1alpha1.ExactMatchDataStoreList{}
		err := c.List(ctx, list, client.InNamespace(namespace))
		for i := range list.Items {
			if !meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
				return false, err
			}
		}
		return err == nil, err
	})
}

// session is one of a role; its name is its file name too.
func session(name, store string) *v1alpha1.ExactMatchSession {
	return &v1alpha1.ExactMatchSession{ObjectMeta: named(name), Spec: v1alpha1.ExactMatchSessionSpec{
		DataStoreRef: v1alpha1.LocalReference{Name: store}, FileName: name, RowsPerBlock: 2,
		Source: v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "table", Key: "table.csv"}},
	}}
}

// sessions makes sessions of a role, one a store, and waits until all show the step.
func (c *cluster) sessions(ctx context.Context, role, family, step string, count int) error {
	for n := range count {
		one := session(storeName(role, n), storeName(family, n))
		if role == roleWaiting {
			one.Spec.RowsPerBlock = 1 // other content: the service may show the active one's live
		}
		if err := c.Create(ctx, one); err != nil {
			return err
		}
	}
	return c.until(ctx, role+" sessions are "+step, func() (bool, error) {
		for n := range count {
			one := &v1alpha1.ExactMatchSession{}
			if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: storeName(role, n)}, one); err != nil || one.StatusReason() != step {
				return false, err
			}
		}
		return true, nil
	})
}

// patience is how long anything may take before the run fails.
const patience = 5 * time.Minute

// until waits for what should come.
func (c *cluster) until(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	return measure.Until(ctx, 200*time.Millisecond, what, is)
}

// finish makes finished sessions from number first on, spread over the stores,
// while no manager runs: copies of the model, which a manager has brought to its
// end, with ids and times of their own.
func (c *cluster) finish(ctx context.Context, p *countingProxy, first, count, stores int) error {
	model := &v1alpha1.ExactMatchSession{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: storeName(roleModel, 0)}, model); err != nil {
		return err
	}
	if model.Status.Outcome != v1alpha1.ReasonCompleted {
		return fmt.Errorf("the model ended as %s", model.Status.Outcome)
	}
	const writers = 8
	numbers, failed := make(chan int), make(chan error, writers)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			var err error
			for n := range numbers {
				if err == nil {
					err = c.finishOne(ctx, p, model, n, stores)
				}
			}
			failed <- err
		})
	}
	for n := first; n < first+count; n++ {
		numbers <- n
	}
	close(numbers)
	all.Wait()
	close(failed)
	var err error
	for one := range failed {
		err = errors.Join(err, one)
	}
	return err
}

func (c *cluster) finishOne(ctx context.Context, p *countingProxy, model *v1alpha1.ExactMatchSession, n, stores int) error {
	one := session(fmt.Sprintf("%s-%05d", roleFinished, n), storeName("store", n%stores))
	one.Finalizers = []string{v1alpha1.Finalizer}
	if err := c.Create(ctx, one); err != nil {
		return err
	}
	one.Status = *model.Status.DeepCopy()
	one.Status.ID, one.Status.FileName, one.Status.ObservedGeneration = uuid.NewString(), one.Name, one.Generation
	for i := range one.Status.Conditions {
		one.Status.Conditions[i].ObservedGeneration = one.Generation
	}
	// Only one table of a store is live: those of the others were replaced by it.
	meta.SetStatusCondition(&one.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionLive, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonReplacedBy, ObservedGeneration: one.Generation,
	})
	p.remember(map[string]string{one.Status.ID: one.Name})
	return c.Status().Update(ctx, one)
}
