package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// write is one change of a session's object that the API server kept.
type write struct {
	At   time.Time
	Name string
	Step string // that the object shows after it
}

// writes sees every change of the sessions, as each has an event of the watch.
type writes struct {
	mu  sync.Mutex
	all []write
	err error
}

// watchWrites sees changes from now on, until the context ends.
func watchWrites(ctx context.Context, c *cluster) (*writes, error) {
	now := &v1alpha1.ExactMatchSessionList{}
	if err := c.List(ctx, now, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return nil, err
	}
	from := now.ResourceVersion
	seen := &writes{}
	go func() {
		for ctx.Err() == nil {
			next, err := seen.follow(ctx, c, from)
			if err != nil && ctx.Err() == nil {
				seen.mu.Lock()
				seen.err = err
				seen.mu.Unlock()
				return
			}
			from = next
		}
	}()
	return seen, nil
}

// follow watches until the API server ends the watch, and says how far it came.
func (w *writes) follow(ctx context.Context, c *cluster, from string) (string, error) {
	stream, err := c.Watch(ctx, &v1alpha1.ExactMatchSessionList{}, client.InNamespace(namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: from}})
	if err != nil {
		return from, fmt.Errorf("watch the sessions: %w", err)
	}
	defer stream.Stop()
	for e := range stream.ResultChan() {
		one, ok := e.Object.(*v1alpha1.ExactMatchSession)
		if !ok {
			return from, fmt.Errorf("the watch of the sessions brought %s: %v", e.Type, e.Object)
		}
		from = one.ResourceVersion
		if e.Type == watch.Modified {
			w.mu.Lock()
			w.all = append(w.all, write{At: time.Now(), Name: one.Name, Step: one.StatusReason()})
			w.mu.Unlock()
		}
	}
	return from, nil
}

// catchUp waits until the watch has brought all changes up to now: it changes an
// annotation of the model, which no reconciler reads, and waits for that.
func (w *writes) catchUp(ctx context.Context, c *cluster) error {
	model := session(storeName(roleModel, 0), "model-000")
	mark := fmt.Sprintf(`{"metadata":{"annotations":{"mark":"%d"}}}`, time.Now().UnixNano())
	began := time.Now()
	if err := c.Patch(ctx, model, client.RawPatch(types.MergePatchType, []byte(mark))); err != nil {
		return err
	}
	return c.until(ctx, "the watch has caught up", func() (bool, error) {
		seen, err := w.between(began, time.Now())
		return seen[model.Name] > 0, err
	})
}

// between are the changes of a span of time, by the session's name.
func (w *writes) between(from, to time.Time) (map[string]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := map[string]int{}
	for _, one := range w.all {
		if !one.At.Before(from) && !one.At.After(to) {
			count[one.Name]++
		}
	}
	return count, w.err
}

// ofRole adds up what belongs to the sessions of a role.
func ofRole(count map[string]int, role string) (sum, most int) {
	for name, n := range count {
		if roleOf(name) == role {
			sum, most = sum+n, max(most, n)
		}
	}
	return sum, most
}
