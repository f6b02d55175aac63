package controllers

import (
	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/plan"
)

// requestOf is what the plan of a session is made of: here the API's objects become
// values.
func requestOf(s *scope) plan.Request {
	spec := s.object.Spec
	r := plan.Request{
		Fields: spec.Fields, Source: sourceNames(spec.Source), Format: convert.Format(spec.Source.Format), RowsPerBlock: int(spec.RowsPerBlock),
		Pin: spec.Checksum, BadRows: plan.BadRowsAllowance{MaxPercent: int(spec.BadRows.MaxPercent), MinSample: int64(spec.BadRows.MinSample)},
		RestartToken: spec.RestartToken, KeyID: s.keyID, SourceVersion: s.sourceVersion,
	}
	if s.store != nil {
		r.Store, r.StoreObject = displayName(s.store), s.store.Name
		r.Columns = convert.Columns(s.store)
	}
	return r
}

// sourceNames is where a table lies, as far as the spec names it.
func sourceNames(from v1alpha1.Source) plan.Source {
	names := plan.Source{URI: from.URI}
	if ref := from.URISecretRef; ref != nil {
		names.URISecret = plan.Entry{Name: ref.Name, Key: ref.Key}
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		names.ConfigMap = plan.Entry{Name: ref.Name, Key: ref.Key}
	}
	if ref := from.PersistentVolumeClaim; ref != nil {
		names.Claim = plan.File{Claim: ref.ClaimName, Path: ref.Path}
	}
	if ref := from.CredentialsSecretRef; ref != nil {
		names.CredentialsSecret = ref.Name
	}
	return names
}

func columnNames(store *v1alpha1.ExactMatchDataStore) []string {
	names := make([]string, 0, len(store.Spec.Columns))
	for _, c := range store.Spec.Columns {
		names = append(names, c.Name)
	}
	return names
}
