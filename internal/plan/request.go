package plan

import (
	"encoding/hex"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/schema"
)

// inputsFormat is the version of the digests that stand in status, such as
// status.observedSpecHash.
const inputsFormat = "inputs/v2"

// Source names where a table lies, as far as a spec does. One of URI, URISecret,
// ConfigMap and Claim is set.
type Source struct {
	URI                  string
	URISecret, ConfigMap Entry
	Claim                File
	// CredentialsSecret is the name of a Secret, "" where none is named.
	CredentialsSecret string
}

// Entry is one key of a Secret or ConfigMap.
type Entry struct{ Name, Key string }

// File is a path below the root of a PersistentVolumeClaim.
type File struct{ Claim, Path string }

// Request is what a plan is made of: a session's spec, its data store, and what was
// found out of the key and the source.
type Request struct {
	// Store is the data store's displayName, StoreObject the name of the object, for
	// messages. Columns are the data store's.
	Store, StoreObject string
	Columns            []schema.Column
	// Fields are names of columns; none means all.
	Fields       []string
	Source       Source
	Format       schema.Format
	RowsPerBlock int
	Pin          string
	BadRows      BadRowsAllowance
	RestartToken string
	// KeyID names the key, SourceVersion the bytes of the source as far as the
	// reference to them tells; "" where it does not.
	KeyID, SourceVersion string
}

// Plan resolves the fields. It fails with a *failure.Error (MissingColumn) that says
// which field is not a column.
func (r Request) Plan() (Plan, error) {
	columns, err := r.fields()
	return Plan{Store: r.Store, Columns: columns, Format: r.Format, RowsPerBlock: r.RowsPerBlock, Pin: r.Pin, BadRows: r.BadRows}, err
}

func (r Request) fields() ([]schema.Column, error) {
	if len(r.Fields) == 0 {
		return slices.Clone(r.Columns), nil
	}
	columns := make([]schema.Column, 0, len(r.Fields))
	for i, name := range r.Fields {
		at := slices.IndexFunc(r.Columns, func(c schema.Column) bool { return c.Name == name })
		if at < 0 {
			return nil, failure.New(failure.MissingColumn, "spec.fields[%d]: %q is not a column of ExactMatchDataStore %q, which has %s; correct spec.fields, or add the column there and change spec.restartToken",
				i, name, r.StoreObject, strings.Join(Plan{Columns: r.Columns}.Names(), ", "))
		}
		columns = append(columns, r.Columns[at])
	}
	return columns, nil
}

// Version names what decides the reading of a plan and its blocks, but for the pin.
func (r Request) Version(p Plan) string {
	d := NewDigest(inputsFormat)
	d.addSource(r.Source)
	d.Add("sourceVersion", r.SourceVersion)
	d.AddFormat(r.Format)
	d.addBadRows(r.BadRows)
	for _, c := range p.Columns {
		d.AddColumn(c)
	}
	d.AddNumber("rowsPerBlock", int64(r.RowsPerBlock))
	d.Add("keyID", r.KeyID)
	d.Add("restartToken", r.RestartToken)
	return d.short()
}

// Inputs names what decides a reading. The pin counts while what was read last does
// not satisfy it: give "" otherwise.
func Inputs(version, pin string) string {
	d := NewDigest(inputsFormat)
	d.Add("version", version)
	d.Add("checksum", pin)
	return d.short()
}

// SpecHash names those inputs of a reading that stand in a session's spec, but for
// the pin and the restart token, which are judged by themselves.
func (r Request) SpecHash() string {
	d := NewDigest(inputsFormat)
	d.addSource(r.Source)
	d.AddFormat(r.Format)
	d.addBadRows(r.BadRows)
	for _, name := range r.Fields {
		d.Add("field", name)
	}
	d.AddNumber("rowsPerBlock", int64(r.RowsPerBlock))
	return d.short()
}

// ContentVersion names content that lies in the cluster. It is salted with the
// owner's UID, so that two objects do not show that they read the same.
func ContentVersion(uid string, content []byte) string {
	d := NewDigest(inputsFormat)
	d.Add("uid", uid)
	d.Add("content", hex.EncodeToString(content))
	return d.short()
}

func (d *Digest) addBadRows(b BadRowsAllowance) {
	d.AddNumber("badRows.maxPercent", int64(b.MaxPercent))
	d.AddNumber("badRows.minSample", b.MinSample)
}

// addSource adds where the table lies.
func (d *Digest) addSource(from Source) {
	d.AddUnless("", "uri", from.URI)
	d.addEntry("uriSecretRef", from.URISecret)
	d.addEntry("configMapKeyRef", from.ConfigMap)
	if from.Claim.Claim != "" {
		d.Add("persistentVolumeClaim.claimName", from.Claim.Claim)
		d.Add("persistentVolumeClaim.path", from.Claim.Path)
	}
	d.AddUnless("", "credentialsSecretRef.name", from.CredentialsSecret)
}

func (d *Digest) addEntry(field string, of Entry) {
	if of.Name != "" {
		d.Add(field+".name", of.Name)
		d.Add(field+".key", of.Key)
	}
}

// short is enough to tell the few inputs of one object apart.
func (d *Digest) short() string { return hex.EncodeToString(d.Bytes()[:8]) }
