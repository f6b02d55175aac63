package controllers

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/problem"
	"exactmatch.dev/operator/internal/session"
	"exactmatch.dev/operator/internal/source"
)

// observeWork makes the plan of how the source becomes blocks and judges how
// far its reading is, for the spec as it is now.
func (r *SessionReconciler) observeWork(ctx context.Context, s *scope) error {
	if err := r.makePlan(ctx, s); err != nil {
		return orMended(s, err)
	}
	if err := r.memory.readings.still(s.object.UID, s.inputs, s.secrets); err != nil {
		return err
	}
	if err := r.observeExecutors(ctx, s); err != nil {
		return err
	}
	s.judgeWork()
	return nil
}

// judgeWork folds the state of the work into facts.
func (s *scope) judgeWork() {
	keepColumns(s)
	status := s.status()
	s.facts.ContentKey = status.ContentKey
	switch {
	case s.work.Phase == executor.PhaseFailed && s.work.Prepared == nil && !transient(s.work.Err):
		s.facts.Preparation = session.PreparationInvalid
	case status.ObservedSpecHash == s.inputs && status.ContentKey != "" && pinned(s):
		s.facts.Preparation = session.PreparationReady
	}
	s.facts.UploadFailed = s.work.Phase == executor.PhaseFailed && s.work.Prepared != nil && !transient(s.work.Err)
	if s.remote != nil {
		s.facts.RenameRequested = s.remote.FileName != fileNameOf(s)
		s.facts.UploadURIExpiry = edm.UploadURIExpiry(s.remote.DataUploadURI)
		s.facts.UploadURIRefused = s.work.IsRefused
	}
	if start := status.UploadURIIssuedTime; start != nil {
		s.facts.UploadURIIssued = start.Time
	}
	if end := status.EstimatedCompletionTime; end != nil {
		s.facts.EstimatedEnd = end.Time
	}
}

// transient reports whether the pool's error passes by itself.
func transient(err error) bool {
	var moved *failure.Error
	return !errors.As(err, &moved) || moved.Transient
}

// makePlan resolves every reference that decides the blocks.
func (r *SessionReconciler) makePlan(ctx context.Context, s *scope) error {
	if err := workUnavailable(s, r.Options); err != nil {
		return err
	}
	read := r.references(s)
	if err := checkWorkerAccount(ctx, s.agent, read); err != nil {
		return err
	}
	ref := s.store.Spec.KeySecretRef
	key, err := read.Secret(ctx, ref.Name, ref.Key)
	if err != nil {
		return err
	}
	keyID, err := pipeline.KeyID(key, displayName(s.store))
	if err != nil {
		return problem.NeedsRepair(v1alpha1.ReasonKeyTooShort, "Secret %q, key %q: %v", ref.Name, ref.Key, err)
	}
	s.keyID = keyID
	made, err := requestOf(s).Plan()
	if err != nil {
		return err
	}
	from, version, err := r.sourceOf(ctx, s, read)
	if err != nil {
		return err
	}
	s.plan = pipeline.Plan{Plan: made, Source: from, Key: key}
	if !fileNamePattern.MatchString(fileNameOf(s)) {
		return problem.NeedsChange(v1alpha1.ReasonSourceInvalid, "the last element of the source cannot be used as the file name; set spec.fileName to 1 to 128 letters, digits, dots, spaces, underscores and hyphens")
	}
	s.sourceVersion = version
	s.version = requestOf(s).Version(made)
	s.inputs = inputsOf(s)
	return nil
}

// fileNamePattern is what the service takes as fileName.
var fileNamePattern = regexp.MustCompile(`^[A-Za-z0-9._ -]{1,128}$`)

// sourceOf opens what spec.source names. The version names the bytes as far as
// the reference can tell them apart without reading them.
func (r *SessionReconciler) sourceOf(ctx context.Context, s *scope, read *clients.Reader) (source.Source, string, error) {
	spec := s.object.Spec.Source
	if spec.CredentialsSecretRef != nil { // beside a claim pods mount it all the same
		if _, err := read.SecretData(ctx, spec.CredentialsSecretRef.Name); err != nil {
			return nil, "", err
		}
	}
	switch {
	case spec.ConfigMapKeyRef != nil:
		text, err := read.ConfigMap(ctx, spec.ConfigMapKeyRef.Name, spec.ConfigMapKeyRef.Key)
		if err != nil {
			return nil, "", err
		}
		s.sourceName = path.Base(spec.ConfigMapKeyRef.Key)
		return source.Bytes(spec.ConfigMapKeyRef.Key, text), plan.ContentVersion(string(s.object.UID), text), nil
	case spec.PersistentVolumeClaim != nil:
		s.sourceName = path.Base(spec.PersistentVolumeClaim.Path)
		return nil, "", nil // only pods can open it
	}
	return r.remoteSource(ctx, s, read)
}

// remoteSource opens a URI, given in the spec or in a Secret.
func (r *SessionReconciler) remoteSource(ctx context.Context, s *scope, read *clients.Reader) (source.Source, string, error) {
	spec := s.object.Spec.Source
	uri, version := spec.URI, ""
	if ref := spec.URISecretRef; ref != nil {
		value, err := read.Secret(ctx, ref.Name, ref.Key)
		if err != nil {
			return nil, "", err
		}
		uri, version = strings.TrimSpace(string(value)), plan.ContentVersion(string(s.object.UID), value)
	}
	var credentials map[string][]byte
	if spec.CredentialsSecretRef != nil {
		data, err := read.SecretData(ctx, spec.CredentialsSecretRef.Name)
		if err != nil {
			return nil, "", err
		}
		credentials = data
	}
	permitted := r.Options.Policy.For(s.object.Namespace)
	s.secrets = sourceSecretsDigest(s, uri, credentials, permitted.Version())
	opened, err := source.Open(ctx, source.Config{
		URI: uri, Credentials: credentials, Identity: permitted.Bucket, Elsewhere: hasWorkerIdentity(s.agent), Root: r.sourceRoot(s.object.Namespace),
		Schemes: s.agent.Spec.Allow.SourceSchemes, Guard: r.Clients.Guard(s.agent),
	})
	if err != nil {
		return nil, "", sourceProblem(err)
	}
	s.sourceName = opened.Name()
	return opened, version, nil
}

// sourceRoot is the folder that the file sources of a namespace may lie in.
func (r *SessionReconciler) sourceRoot(namespace string) string {
	if r.Options.SourceRoot == "" {
		return ""
	}
	return filepath.Join(r.Options.SourceRoot, namespace)
}

// sourceProblem maps what opening a source met to a reason.
func sourceProblem(err error) error {
	var failed *source.Error
	if !errors.As(err, &failed) {
		return fmt.Errorf("open the source: %w", err)
	}
	p := &problem.Problem{Reason: string(failed.Reason), Message: problem.Truncate(failed.Error()), Remedy: problem.Change, Err: err}
	if failed.Transient() {
		p.Remedy = problem.Retry
	}
	return p
}
