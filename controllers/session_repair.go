package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/problem"
)

// beginReading remembers what a reading is made with, unless one is at work.
func (r *SessionReconciler) beginReading(s *scope) {
	switch s.work.Phase {
	case executor.PhaseNone, executor.PhasePrepared:
		r.memory.readings.begin(s.object.UID, s.secrets)
	}
}

// reject ends with why the source cannot be read; where a Secret may mend that, it
// waits for one that holds something else.
func (r *SessionReconciler) reject(ctx context.Context, s *scope, p *problem.Problem) error {
	mendable := mendedBySecret(s, p)
	if mendable == p {
		return r.recordOutcome(ctx, s, p.Reason, p.Message+"; after a correction outside this object, change spec.restartToken to read the source again")
	}
	if err := r.dropWork(ctx, s); err != nil {
		return err
	}
	r.memory.readings.reject(s.object.UID, s.inputs, mendable)
	return mendable
}

// mendedBySecret makes a problem of the source one that another object's change
// mends, where the agent or the policy does not permit it, or the spec names a
// Secret that decides whether the source can be read.
func mendedBySecret(s *scope, p *problem.Problem) *problem.Problem {
	if p.Reason == v1alpha1.ReasonNotPermitted || p.Reason == v1alpha1.ReasonSchemeNotAllowed {
		return problem.NeedsRepair(p.Reason, "%s", p.Message)
	}
	names := sourceSecrets(s.object.Spec.Source)
	if len(names) == 0 || !slices.Contains([]string{v1alpha1.ReasonSourceRefused, v1alpha1.ReasonSourceInvalid, v1alpha1.ReasonSourceNotFound}, p.Reason) {
		return p
	}
	return problem.NeedsRepair(p.Reason, "%s; correct Secret %s, or change spec.restartToken to read the source again", p.Message, strings.Join(names, " or "))
}

// orMended is mendedBySecret for an error that may be anything.
func orMended(s *scope, err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) || p.Remedy != problem.Change {
		return err
	}
	return mendedBySecret(s, p)
}

// sourceSecrets are the names of the Secrets that a source depends on.
func sourceSecrets(from v1alpha1.Source) []string {
	var names []string
	if from.URISecretRef != nil {
		names = append(names, strconv.Quote(from.URISecretRef.Name))
	}
	if from.CredentialsSecretRef != nil {
		names = append(names, strconv.Quote(from.CredentialsSecretRef.Name))
	}
	return slices.Compact(names)
}

// sourceSecretsDigest is a digest of what Secrets, the agent and the policy, of a
// version, say of a source.
func sourceSecretsDigest(s *scope, uri string, credentials map[string][]byte, permitted string) string {
	d := plan.NewDigest("secrets/v1")
	d.AddNumber("agent", s.agent.Generation)
	d.Add("uri", uri)
	d.Add("policy", permitted)
	for _, key := range slices.Sorted(maps.Keys(credentials)) {
		d.Add(key, string(credentials[key]))
	}
	return d.Hex()
}
