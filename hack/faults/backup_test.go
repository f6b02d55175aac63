package faults_test

import (
	"context"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// backups put one side back to what it was before, and leave the other as it is.
func backups() []disruption {
	return []disruption{
		{
			name: "service-of-before", says: "the service comes back with the data folder of before the session", at: atStep,
			trouble: trouble{in: from("create"), remakes: true, ready: func(w *testEnv) { w.copy = w.backUp() }, person: restartsAfter("Forgotten|StorageRefused")},
			befall:  func(w *testEnv) { w.putBack(w.copy) },
		},
		{
			name: "service-of-the-seal", says: "the service comes back with the data folder of just before the commit", at: atStep,
			trouble: trouble{in: from("watch"), ready: backUpAtCommit, person: restartsAfter("nothing")},
			befall:  func(w *testEnv) { w.putBack(w.copy) },
		},
		{
			name: "status-emptied", says: "the objects come back without their status", at: atStep,
			trouble: trouble{in: from("create"), remakes: true, person: restartsAfter("nothing")},
			befall: func(w *testEnv) {
				w.statusBack(func(*v1alpha1.ExactMatchSessionStatus) bool { return false })
			},
		},
		{
			name: "status-of-the-intent", says: "the session's status comes back as it was before its create was answered", at: atStep,
			trouble: trouble{in: from("upload"), remakes: true, person: restartsAfter("nothing")},
			befall: func(w *testEnv) {
				w.statusBack(func(s *v1alpha1.ExactMatchSessionStatus) bool { return s.Intent != nil && s.ID == "" })
			},
		},
		{
			name: "status-of-the-upload", says: "the session's status comes back as it was while blocks were staged", at: atStep,
			trouble: trouble{in: from("seal"), remakes: true, person: restartsAfter("nothing")},
			befall: func(w *testEnv) {
				w.statusBack(func(s *v1alpha1.ExactMatchSessionStatus) bool { return s.ID != "" && s.CommitRequestedTime == nil })
			},
		},
		{
			name: "made-anew", says: "the session is deleted without its finalizer and made anew under the same name", at: atStep,
			trouble: trouble{in: from("prepare"), remakes: true, orphans: true, person: restartsAfter("nothing")},
			befall:  func(w *testEnv) { w.makeAnew(w.sessionObject()) },
		},
		{
			name: "all-made-anew", says: "so are its data store and its upload agent", at: atStep,
			trouble: trouble{in: from("prepare"), remakes: true, orphans: true, person: restartsAfter("nothing")},
			befall:  func(w *testEnv) { w.makeAnew(w.sessionObject(), w.storeObject(), w.agentObject()) },
		},
	}
}

// backUpAtCommit copies the service's data folder when the commit comes.
func backUpAtCommit(w *testEnv) {
	w.proxy.arm(fault{name: "back-up", spoil: func(f *faultProxy, rw http.ResponseWriter, c *call) {
		w.copy = w.backUp()
		f.pass(rw, c)
	}}, posts("/commit"))
}

// noted keeps what a manager wrote of the session's status.
func (w *testEnv) noted(o client.Object) {
	if s, ok := o.(*v1alpha1.ExactMatchSession); ok {
		w.mu.Lock()
		w.statuses = append(w.statuses, *s.Status.DeepCopy())
		w.mu.Unlock()
	}
}

// statusBack writes the last status that was so; none leaves it empty.
func (w *testEnv) statusBack(so func(*v1alpha1.ExactMatchSessionStatus) bool) {
	back := v1alpha1.ExactMatchSessionStatus{}
	w.mu.Lock()
	for i := range w.statuses {
		if so(&w.statuses[i]) {
			back = *w.statuses[i].DeepCopy()
		}
	}
	w.mu.Unlock()
	s, err := w.get()
	if err == nil {
		before := s.DeepCopy()
		s.Status = back
		err = kube.Status().Patch(context.WithoutCancel(w.ctx), s, client.MergeFrom(before))
	}
	if err != nil {
		w.t.Errorf("put the status back: %v", err)
	}
}

// makeAnew deletes objects without their finalizers and makes them again, with the
// metadata and the spec that they had.
func (w *testEnv) makeAnew(objects ...client.Object) {
	for _, o := range objects {
		if err := w.deleteAtOnce(o); err != nil {
			w.t.Errorf("tear %T: %v", o, err)
			return
		}
		again := o.DeepCopyObject().(client.Object) //nolint:forcetypeassert // of the same type
		again.SetResourceVersion("")
		again.SetUID("")
		again.SetFinalizers(nil)
		again.SetDeletionTimestamp(nil)
		again.SetCreationTimestamp(metav1.Time{})
		if err := kube.Create(w.ctx, again); err != nil {
			w.t.Errorf("make %T anew: %v", o, err)
		}
	}
}

// deleteAtOnce deletes an object whatever its finalizers wait for. It leaves the
// object as it was read.
func (w *testEnv) deleteAtOnce(o client.Object) error {
	if err := kube.Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return err
	}
	torn := o.DeepCopyObject().(client.Object)                 //nolint:forcetypeassert // of the same type
	if store, is := torn.(*v1alpha1.ExactMatchDataStore); is { // a manager may see the deletion
		store.Spec.DeletionPolicy = v1alpha1.StoreDeletionPolicyOrphan
		if err := kube.Patch(w.ctx, store, client.MergeFrom(o)); err != nil {
			return err
		}
	}
	if err := kube.Delete(w.ctx, torn); err != nil {
		return err
	}
	free := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	return client.IgnoreNotFound(kube.Patch(w.ctx, torn, free))
}
