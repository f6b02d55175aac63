package controllers

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// ensureFinalizer adds the finalizer before anything remote can exist, and reports
// whether it had to: the object is then as the API server has it. An object that is
// being deleted can have no new one.
func ensureFinalizer(ctx context.Context, c client.Client, object client.Object) (added bool, err error) {
	if deleted(object) || hasFinalizer(object) {
		return false, nil
	}
	before := object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy is of the same type
	controllerutil.AddFinalizer(object, v1alpha1.Finalizer)
	return true, c.Patch(ctx, object, locked(before))
}

// removeFinalizer ends the deletion of an object.
func removeFinalizer(ctx context.Context, c client.Client, object client.Object) error {
	before := object.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy is of the same type
	controllerutil.RemoveFinalizer(object, v1alpha1.Finalizer)
	if err := c.Patch(ctx, object, locked(before)); err != nil {
		return fmt.Errorf("remove the finalizer: %w", err)
	}
	return nil
}

func hasFinalizer(object client.Object) bool {
	return controllerutil.ContainsFinalizer(object, v1alpha1.Finalizer)
}

// deleted reports whether an object is being deleted.
func deleted(o metav1.Object) bool { return !o.GetDeletionTimestamp().IsZero() }

// proceeds reports whether a deletion proceeds without the service, and leaves there
// what the object owns: only somebody's repair would help, or the deadline has come.
// The first call sets the deadline, in status, so that a restart does not change it.
func (o Options) proceeds(deadline **metav1.Time, p *problem.Problem, now time.Time) bool {
	if *deadline == nil {
		*deadline = &metav1.Time{Time: now.Add(o.FinalizeTimeout)}
	}
	return p.Remedy == problem.Repair || !now.Before((*deadline).Time)
}
