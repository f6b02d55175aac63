package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// ended says which sessions have not come to a good end for their spec as it is.
func (s *stack) ended(ctx context.Context) error {
	list := &v1alpha1.ExactMatchSessionList{}
	if err := s.kube.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	var open []error
	for i := range list.Items {
		one := &list.Items[i]
		finished := meta.FindStatusCondition(one.Status.Conditions, v1alpha1.ConditionFinished)
		switch {
		case finished == nil || finished.ObservedGeneration != one.Generation || one.Status.ObservedRestartToken != one.Spec.RestartToken:
			open = append(open, fmt.Errorf("session %s is not judged: %s", one.Name, one.StatusReason()))
		case finished.Status != metav1.ConditionTrue || meta.IsStatusConditionTrue(one.Status.Conditions, v1alpha1.ConditionStalled):
			open = append(open, fmt.Errorf("session %s: %s: %s", one.Name, finished.Reason, finished.Message))
		}
	}
	if len(open) > 3 {
		open = append(open[:3], fmt.Errorf("and %d more of %d", len(open)-3, len(list.Items)))
	}
	return errors.Join(open...)
}

// orphans are remote sessions that are open and that no object claims.
func (s *stack) orphans(ctx context.Context) (int, error) {
	list := &v1alpha1.ExactMatchDataStoreList{}
	if err := s.kube.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return 0, err
	}
	found := 0
	for i := range list.Items {
		remote, err := s.remote.Sessions().List(ctx, list.Items[i].Status.ID, edm.Query{})
		if err != nil {
			return 0, err
		}
		for _, one := range remote {
			if !one.State.Ended() {
				found++
			}
		}
	}
	return found, nil
}

// answers asks each store for a row of the table that it says is live.
func (s *stack) answers(ctx context.Context, t *tables) error {
	list := &v1alpha1.ExactMatchDataStoreList{}
	if err := s.kube.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return err
	}
	var wrong []error
	for i := range list.Items {
		store := &list.Items[i]
		if store.Status.Live == nil {
			wrong = append(wrong, fmt.Errorf("store %s has no live table", store.Name))
			continue
		}
		value := t.first(store.Status.Live.SessionName)
		ask := exec.CommandContext(ctx, s.binary, "lookup", "--endpoint", s.endpoint, "--bearer-token-file", s.path("token"), "--key-file", s.path("key"), //nolint:gosec // our own program
			"--store", store.Name, "--column", "ID", "--value", value)
		var said bytes.Buffer
		ask.Stdout, ask.Stderr = &said, &said
		if err := ask.Run(); err != nil {
			wrong = append(wrong, fmt.Errorf("store %s, live by session %s, %q: %w: %s", store.Name, store.Status.Live.SessionName, value, err, said.String()))
		}
	}
	return errors.Join(wrong...)
}

// await waits for the end of all sessions.
func (s *stack) await(ctx context.Context, within time.Duration) (time.Duration, error) {
	began := time.Now()
	err := eventually(within, func() error {
		for _, p := range s.all() {
			p.measure()
		}
		if err := s.startAll(); err != nil { // a leader that woke too late ends by itself
			return err
		}
		return s.ended(ctx)
	})
	return time.Since(began), err
}
