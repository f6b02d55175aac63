// Package worker is what runs in a worker's pod: it reads its order and the
// files beside it, prepares the table or stages a part of its blocks, and reports
// in few bytes. It speaks to the source and the storage, and to nothing else.
package worker

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/upload"
)

// The files of a worker, below its one folder. Each folder is a volume: the
// order and the upload URI are a Secret of the session, the others are what the
// user's objects hold.
const (
	OrderDir       = "order"
	OrderFile      = "order.json"
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

// Order is what a worker is to do. It holds no secret: those are files of their own.
type Order struct {
	Store        string                    `json:"store"`
	Columns      []schema.Column           `json:"columns"`
	Format       pipeline.Format           `json:"format"`
	RowsPerBlock int                       `json:"rowsPerBlock"`
	Pin          string                    `json:"pin,omitempty"`
	BadRows      pipeline.BadRowsAllowance `json:"badRows"`
	Source       Source                    `json:"source"`
	Allow        Allow                     `json:"allow"`
	// OwnIdentity lets the pod's ServiceAccount sign for the source, where no
	// credentials do.
	OwnIdentity bool `json:"ownIdentity,omitempty"`
	// Memory is the budget of blocks in the making, in bytes.
	Memory int64 `json:"memory"`
	// Parts are the pods that share the stripes; Parallelism is what each reads
	// and sends at once.
	Parts       int `json:"parts,omitempty"`
	Parallelism int `json:"parallelism,omitempty"`
	// Prepared is the handoff of the reading; empty in the order to read.
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
	Hosts     []string    `json:"hosts,omitempty"`
	PlainHTTP bool        `json:"plainHTTP,omitempty"`
	Policy    dial.Policy `json:"policy,omitempty,omitzero"`
}

// folder is a worker's files.
type folder string

func (d folder) read(parts ...string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(append([]string{string(d)}, parts...)...))
	if err != nil {
		return nil, unreadable(filepath.Join(parts...), err)
	}
	return b, nil
}

// unreadable tells which of the worker's files is missing. It may come late: a
// volume follows its Secret with a delay.
func unreadable(name string, err error) error {
	return &failure.Error{Reason: failure.SourceUnavailable, Transient: true, Message: fmt.Sprintf("the worker's file %s cannot be read: %v", name, errors.Unwrap(err))}
}

// open reads the order and opens what it names.
func (d folder) open(ctx context.Context) (*Order, pipeline.Plan, error) {
	order, err := d.order()
	if err != nil {
		return nil, pipeline.Plan{}, err
	}
	plan, err := d.plan(ctx, order)
	return order, plan, err
}

// order reads the order.
func (d folder) order() (*Order, error) {
	text, err := d.read(OrderDir, OrderFile)
	if err != nil {
		return nil, err
	}
	o := &Order{}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, &failure.Error{Reason: failure.SourceInvalid, Message: "the worker's order is not JSON of this version; roll the manager and its workers to one image"}
	}
	return o, nil
}

// plan opens what the order names.
func (d folder) plan(ctx context.Context, o *Order) (pipeline.Plan, error) {
	key, err := d.read(KeyDir, KeyFile)
	if err != nil {
		return pipeline.Plan{}, err
	}
	from, err := d.source(ctx, o)
	if err != nil {
		return pipeline.Plan{}, err
	}
	plan := pipeline.Plan{Source: from, Format: o.Format, Store: o.Store, Columns: o.Columns, Key: key, RowsPerBlock: o.RowsPerBlock, Pin: o.Pin, BadRows: o.BadRows}
	return plan, nil
}

func (d folder) source(ctx context.Context, o *Order) (source.Source, error) {
	// The agent's authority signs for the service only.
	c := source.Config{URI: o.Source.URI, Schemes: o.Source.Schemes, Guard: o.Allow.guard()}
	if o.OwnIdentity {
		c.Identity = source.AnyBucket
	}
	switch {
	case o.Source.File != "":
		c.URI, c.Schemes, c.Root = (&url.URL{Scheme: "file", Path: "/" + o.Source.File}).String(), []string{"file"}, filepath.Join(string(d), SourceDir)
	case o.Source.URI == "":
		text, err := d.read(SourceURIDir, SourceURIFile)
		if err != nil {
			return nil, err
		}
		c.URI = strings.TrimSpace(string(text))
	}
	var err error
	if c.Credentials, err = d.credentials(); err != nil {
		return nil, err
	}
	return source.Open(ctx, c)
}

// credentials are the files of one folder; none where it is not there.
func (d folder) credentials() (map[string][]byte, error) {
	entries, err := os.ReadDir(filepath.Join(string(d), CredentialsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(CredentialsDir, err)
	}
	found := map[string][]byte{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue // the volume's own links
		}
		value, err := d.read(CredentialsDir, e.Name())
		if err != nil {
			return nil, err
		}
		found[e.Name()] = value
	}
	return found, nil
}

// guard is the rule of addresses.
func (a Allow) guard() dial.Guard {
	guard := dial.Guard{AllowHosts: a.Hosts, PlainHTTP: dial.PlainHTTPLoopback, Policy: a.Policy}
	if a.PlainHTTP {
		guard.PlainHTTP = dial.PlainHTTPAnywhere
	}
	return guard
}

// guard is the order's rule of addresses, with the agent's private authority.
func (d folder) guard(o *Order) (dial.Guard, error) {
	guard := o.Allow.guard()
	pem, err := os.ReadFile(filepath.Join(string(d), AuthorityDir, AuthorityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return guard, nil
	}
	if err != nil {
		return guard, unreadable(AuthorityDir, err)
	}
	guard.RootCAs = x509.NewCertPool()
	guard.RootCAs.AppendCertsFromPEM(pem) // the manager has refused what holds none
	return guard, nil
}

// uriPatience is how long a part waits for a renewed upload URI: a volume
// follows its Secret within a minute and a half.
const uriPatience = 2 * time.Minute

// target is where the blocks go: the upload URI is read anew at each use.
func (d folder) target(o *Order, c *http.Client, refused func(string)) upload.Target {
	return upload.Target{HTTP: c, Parallelism: o.Parallelism, Refused: refused, Patience: uriPatience, URI: func() string {
		text, err := os.ReadFile(filepath.Join(string(d), OrderDir, URIFile))
		if err != nil {
			return "" // the client says that it cannot be used
		}
		return strings.TrimSpace(string(text))
	}}
}

// NameURI names an upload URI without revealing its signature.
func NameURI(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return hex.EncodeToString(sum[:4])
}
