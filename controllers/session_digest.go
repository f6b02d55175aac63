package controllers

import (
	"encoding/hex"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
)

// inputsFormat is the version of the digests in status.observedSpecHash.
const inputsFormat = "inputs/v2"

// versionOf names what decides the reading and its blocks, but for the pin.
// sourceVersion names the bytes as far as the reference to them tells.
func versionOf(s *scope, columns []schema.Column, keyID, sourceVersion string) string {
	spec, d := s.object.Spec, plan.NewDigest(inputsFormat)
	addSource(d, spec.Source)
	d.Add("sourceVersion", sourceVersion)
	d.AddFormat(formatOf(spec.Source.Format))
	d.AddNumber("badRows.maxPercent", int64(spec.BadRows.MaxPercent))
	d.AddNumber("badRows.minSample", int64(spec.BadRows.MinSample))
	for _, c := range columns {
		d.AddColumn(c)
	}
	d.AddNumber("rowsPerBlock", int64(spec.RowsPerBlock))
	d.Add("keyID", keyID)
	d.Add("restartToken", spec.RestartToken)
	return shortDigest(d)
}

// addSource adds where the table lies.
func addSource(d *plan.Digest, from v1alpha1.Source) {
	d.AddUnless("", "uri", from.URI)
	if ref := from.URISecretRef; ref != nil {
		d.Add("uriSecretRef.name", ref.Name)
		d.Add("uriSecretRef.key", ref.Key)
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		d.Add("configMapKeyRef.name", ref.Name)
		d.Add("configMapKeyRef.key", ref.Key)
	}
	if claim := from.PersistentVolumeClaim; claim != nil {
		d.Add("persistentVolumeClaim.claimName", claim.ClaimName)
		d.Add("persistentVolumeClaim.path", claim.Path)
	}
	if ref := from.CredentialsSecretRef; ref != nil {
		d.Add("credentialsSecretRef.name", ref.Name)
	}
}

// inputsOf names what decides the reading, the pin included while the prepared
// bytes do not satisfy it.
func inputsOf(s *scope) string {
	d := plan.NewDigest(inputsFormat)
	d.Add("version", s.version)
	d.Add("checksum", pinOf(s))
	return shortDigest(d)
}

// shortDigest is enough to tell the few inputs of one object apart.
func shortDigest(d *plan.Digest) string { return hex.EncodeToString(d.Bytes()[:8]) }
