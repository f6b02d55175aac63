package controllers

import (
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
)

// graces are since when objects miss what they refer to. A restart may lose them.
type graces struct {
	mu     sync.Mutex
	missed map[types.UID]missed
}

// missed is what an object misses, in the words of its problem, and since when.
type missed struct {
	message string
	since   time.Time
}

// since returns when the object was first seen to miss this very thing.
func (g *graces) since(uid types.UID, message string, now time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.missed == nil {
		g.missed = map[types.UID]missed{}
	}
	if g.missed[uid].message != message {
		g.missed[uid] = missed{message, now}
	}
	return g.missed[uid].since
}

func (g *graces) forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.missed, uid)
}

// grace turns the problem that something is missing into a wait for it, for as
// long as it may take. An object that is Stalled for it, or is being deleted, waits
// no longer.
func (g *graces) grace(object client.Object, conditions []metav1.Condition, err error, o Options, now time.Time) error {
	var p *problem.Problem
	if !errors.As(err, &p) || !p.Absent || deleted(object) {
		g.forget(object.GetUID())
		return err
	}
	stalled := findCondition(conditions, v1alpha1.ConditionStalled)
	if stalled != nil && stalled.Reason == p.Reason && stalled.Message == p.Message {
		return err
	}
	end := g.since(object.GetUID(), p.Message, now).Add(o.DependencyGrace)
	if !now.Before(end) {
		return err
	}
	return &problem.Problem{
		Reason: p.Reason, Message: p.Message + "; the operator waits for it until " + problem.Clock(end, now), Remedy: problem.Await, Err: p,
		After: max(time.Millisecond, min(spread(o.RepairInterval), end.Sub(now))),
	}
}
