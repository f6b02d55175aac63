// Package protocol is what the manager and its pods tell each other: the files of
// a worker, its task, and its report. It imports the standard library and the
// packages of plain values below it only, so that both ends, and what makes
// Jobs, may import it.
package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
)

// Command is the command of the operator's binary that a worker's pod runs.
const Command = "worker"

// The files of a worker, below its one folder. Each folder is a volume: the
// task and the upload URI are a Secret of the session, the others are what the
// user's objects hold.
const (
	TaskDir        = "task"
	TaskFile       = "task.json"
	URIFile        = "uploadURI"
	KeyDir         = "key"
	KeyFile        = "key"
	CredentialsDir = "credentials" // a file for each entry; may be absent
	SourceURIDir   = "source-uri"
	SourceURIFile  = "uri"
	SourceDir      = "source" // a claim, or a ConfigMap's key
	AuthorityDir   = "authority"
	AuthorityFile  = "ca.crt" // may be absent
)

// Task is what a worker is to do. It holds no secret: those are files of their own.
type Task struct {
	Store        string                `json:"store"`
	Columns      []schema.Column       `json:"columns"`
	Format       schema.Format         `json:"format"`
	RowsPerBlock int                   `json:"rowsPerBlock"`
	Pin          string                `json:"pin,omitempty"`
	BadRows      plan.BadRowsAllowance `json:"badRows"`
	Source       Source                `json:"source"`
	Allow        Allow                 `json:"allow"`
	// Authority is what the service is verified against, where the administrator says
	// so; it is set in the task to stage.
	Authority *Authority `json:"authority,omitempty"`
	// OwnIdentity lets the pod's ServiceAccount sign for the source, where no
	// credentials do.
	OwnIdentity bool `json:"ownIdentity,omitempty"`
	// Memory is the budget of blocks in the making, in bytes.
	Memory int64 `json:"memory"`
	// Pods is the number of pods that stage the stripes; Parallelism is what each reads
	// and sends at once.
	Pods        int `json:"pods,omitempty"`
	Parallelism int `json:"parallelism,omitempty"`
	// Prepared is the packed reading; empty in the task to read.
	Prepared string `json:"prepared,omitempty"`
}

// Source says where the table lies: a file below SourceDir, or a URI; where both
// are empty the URI is in SourceURIFile.
type Source struct {
	File    string   `json:"file,omitempty"`
	URI     string   `json:"uri,omitempty"`
	Schemes []string `json:"schemes,omitempty"`
}

// Allow is the upload agent's rule of addresses, below the administrator's policy.
type Allow struct {
	Hosts     []string `json:"hosts,omitempty"`
	PlainHTTP bool     `json:"plainHTTP,omitempty"`
	Policy    Policy   `json:"policy,omitempty,omitzero"`
}

// Authority is certificates in PEM that one host is verified against, and no others.
type Authority struct {
	Host string `json:"host"`
	PEM  string `json:"pem"`
}

// Policy is a dial.Policy on its way: what the administrator permits.
type Policy struct {
	Namespace string         `json:"namespace,omitempty"`
	Hosts     []string       `json:"hosts,omitempty"`
	CIDRs     []netip.Prefix `json:"cidrs,omitempty"`
	PlainHTTP []string       `json:"plainHTTP,omitempty"`
	Note      string         `json:"note,omitempty"`
}

// NameURI names an upload URI without revealing its signature.
func NameURI(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return hex.EncodeToString(sum[:4])
}
