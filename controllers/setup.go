// Package controllers turns the project's objects into calls of an exact data
// match service: one reconciler a kind. What to do next is decided in
// internal/session; here it is done.
package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/pool"
)

// Add adds the reconcilers and the pool of transfers to the manager.
func Add(ctx context.Context, mgr manager.Manager, o Options) error {
	o = o.withDefaults()
	if err := identify(ctx, mgr.GetAPIReader(), &o); err != nil {
		return err
	}
	if err := addIndexes(ctx, mgr); err != nil {
		return err
	}
	refused, wakes := make(chan event.GenericEvent, 1024), make(chan event.GenericEvent, 1024)
	issuer, err := clients.KubernetesIssuer(mgr.GetConfig())
	if err != nil {
		return err
	}
	shared := clients.New(mgr.GetAPIReader(), o.endpoints(issuer, refused))
	works := pool.New(pool.Options{
		Parallelism: o.TransferParallelism, Memory: o.TransferMemory,
		Wake: func(owner executor.Owner) { offer(wakes, wakeUp(owner)) },
	})
	running.Store(works)
	if err := mgr.Add(manager.RunnableFunc(works.Start)); err != nil {
		return err
	}
	recorder := mgr.GetEventRecorder("exactmatch-operator")
	recalls := newRecalls(wakes)
	if err := (&UploadAgentReconciler{Client: mgr.GetClient(), Recorder: recorder, Clients: shared, Wakes: refused, Options: o, Now: o.Now}).SetupWithManager(mgr); err != nil {
		return err
	}
	stores := &DataStoreReconciler{Client: mgr.GetClient(), Recorder: recorder, Clients: shared, Recalls: recalls, Options: o, Now: o.Now}
	if err := stores.SetupWithManager(mgr); err != nil {
		return err
	}
	sessions := &SessionReconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder,
		Pool: works, Clients: shared, Recalls: recalls, Wakes: wakes, Options: o, Now: o.Now}
	if err := sessions.SetupWithManager(mgr); err != nil {
		return err
	}
	schedules := &ScheduleReconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder,
		SourceVersion: sessions.versionSeen, Options: o, Now: o.ScheduleNow}
	return schedules.SetupWithManager(mgr)
}

// +kubebuilder:rbac:roleName=cluster-id,groups="",resources=namespaces,verbs=get,resourceNames=kube-system

// identify names the cluster by the UID of its namespace kube-system, as is usual,
// unless a flag does.
func identify(ctx context.Context, reader client.Reader, o *Options) error {
	if o.Cluster != "" {
		return nil
	}
	system := &corev1.Namespace{}
	if err := reader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
		return fmt.Errorf("read the namespace kube-system, whose UID names this cluster at the service; allow that, or set --cluster-id: %w", err)
	}
	o.Cluster = string(system.UID)
	return nil
}

// offer wakes an object, unless the queue is full: its next look comes sooner then.
func offer(wakes chan<- event.GenericEvent, object client.Object) {
	select {
	case wakes <- event.GenericEvent{Object: object}:
	default:
	}
}

// endpoints are what the clients of every agent are made with; refused takes those
// agents that somebody else's call shows to be refused.
func (o Options) endpoints(issuer clients.Issuer, refused chan<- event.GenericEvent) clients.Options {
	return clients.Options{
		Issuer: issuer, Namespace: o.Namespace,
		QPS: o.ServiceQPS, Burst: o.ServiceBurst, Policy: o.Policy, Proxy: o.Proxy, StallTimeout: o.StallTimeout,
		Refused: func(agent types.NamespacedName) {
			offer(refused, &v1alpha1.ExactMatchUploadAgent{ObjectMeta: metav1.ObjectMeta{Namespace: agent.Namespace, Name: agent.Name}})
		},
	}
}

func addIndexes(ctx context.Context, mgr manager.Manager) error {
	index := mgr.GetFieldIndexer()
	if err := index.IndexField(ctx, &v1alpha1.ExactMatchSession{}, storeIndex, func(o client.Object) []string {
		return []string{o.(*v1alpha1.ExactMatchSession).Spec.DataStoreRef.Name}
	}); err != nil {
		return err
	}
	return index.IndexField(ctx, &v1alpha1.ExactMatchDataStore{}, agentIndex, func(o client.Object) []string {
		return []string{o.(*v1alpha1.ExactMatchDataStore).Spec.UploadAgentRef.Name}
	})
}
