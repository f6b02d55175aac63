package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

// A remote data store has one owner: each writer replaces its live
// table. Neither age nor the spelling of an endpoint decides who that is.

// ensureRemote finds the remote store by id, adopts it by name where it is ours,
// or makes it. The display name identifies it, so a repeated create cannot make
// a second.
func (r *DataStoreReconciler) ensureRemote(ctx context.Context, s *storeScope) (*edm.DataStore, error) {
	remote, err := r.findRemote(ctx, s)
	if err != nil {
		return nil, err
	}
	wanted := edm.DataStore{DisplayName: displayName(s.object), Description: s.object.Spec.Description, Columns: convert.RemoteColumns(s.object), Owner: r.ownerOf(s)}
	if remote == nil {
		return s.client.Service.Stores().Create(ctx, wanted, string(s.object.UID)+"-store")
	}
	if err := r.claim(ctx, s, remote); err != nil {
		return nil, err
	}
	if sameColumns(remote.Columns, wanted.Columns) && remote.Description == wanted.Description && equality.Semantic.DeepEqual(remote.Owner, wanted.Owner) {
		return remote, nil
	}
	wanted.ID = remote.ID
	return s.client.Service.Stores().Update(ctx, wanted)
}

// sameColumns compares what a store's spec says of its columns.
func sameColumns(a, b []edm.Column) bool {
	return equality.Semantic.DeepEqual(edm.WithRules(a), edm.WithRules(b))
}

func (r *DataStoreReconciler) findRemote(ctx context.Context, s *storeScope) (*edm.DataStore, error) {
	if id := s.object.Status.ID; id != "" {
		remote, err := s.client.Service.Stores().Get(ctx, id)
		if !edm.IsNotFound(err) {
			return remote, err
		}
	}
	found, err := s.client.Service.Stores().List(ctx, edm.Query{Filter: fmt.Sprintf("displayName eq '%s'", displayName(s.object))})
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].DisplayName == displayName(s.object) {
			return &found[i], nil
		}
	}
	return nil, nil
}

// ownerOf names the object at a service that keeps owners.
func (r *DataStoreReconciler) ownerOf(s *storeScope) *edm.Owner {
	if !showsLive(s.agent) {
		return nil
	}
	return &edm.Owner{Cluster: r.Options.Cluster, Namespace: s.object.Namespace, Name: s.object.Name}
}

// claim refuses a remote store that belongs to somebody else, unless spec.adopt
// names it. An adoption is honored once: where two objects adopt the same store,
// the second takes it and the first says so.
func (r *DataStoreReconciler) claim(ctx context.Context, s *storeScope, remote *edm.DataStore) error {
	ours, err := r.isOurs(ctx, s, remote)
	if err != nil {
		return err
	}
	status, adopt := &s.object.Status, s.object.Spec.Adopt
	named := adopt != nil && adopt.ID == remote.ID
	if adopt == nil {
		status.AdoptedID = ""
	}
	switch {
	case named && (ours || status.AdoptedID != adopt.ID):
		status.AdoptedID = adopt.ID // also where an earlier pass took it and could not write that down
		return nil
	case ours:
		return nil
	case named:
		return problem.NeedsRepair(v1alpha1.ReasonOwnedElsewhere, "another owner took over the remote data store %q after spec.adopt did; decide which object keeps it, and delete the other ExactMatchDataStore with deletionPolicy Orphan; to take it back, remove spec.adopt, wait until status.observedGeneration follows, and set it again",
			displayName(s.object))
	}
	return problem.NeedsRepair(v1alpha1.ReasonOwnedElsewhere, "the service already has a data store %q, and it belongs to another owner; create an ExactMatchDataStore with another spec.displayName, or set spec.adopt.id to the id of the existing one to take it over: the next commit then replaces its live table",
		displayName(s.object))
}

// isOurs reports whether a remote store is this object's: by its owner, or, at a
// service that keeps none, because no other object of the cluster has it.
func (r *DataStoreReconciler) isOurs(ctx context.Context, s *storeScope, remote *edm.DataStore) (bool, error) {
	if wanted := r.ownerOf(s); wanted != nil {
		unclaimed := remote.Owner == nil && s.object.Status.ID == remote.ID // made before there were owners
		return unclaimed || remote.Owner != nil && *remote.Owner == *wanted, nil
	}
	list := &v1alpha1.ExactMatchDataStoreList{}
	if err := r.List(ctx, list); err != nil {
		return false, err
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == s.object.UID || other.Status.ID != remote.ID {
			continue
		}
		// Both have it only where they took it at the same moment.
		if s.object.Status.ID != remote.ID || nameOf(other) < nameOf(s.object) {
			return false, nil
		}
	}
	return true, nil
}

func nameOf(store *v1alpha1.ExactMatchDataStore) string { return store.Namespace + "/" + store.Name }
