// Package worker is what runs in a worker's pod: it reads its task and the
// files beside it, prepares the table or stages some of its blocks, and reports
// in few bytes. It speaks to the source and the storage, and to nothing else.
package worker

import (
	"context"
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
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/upload"
)

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

// open reads the task and opens what it names.
func (d folder) open(ctx context.Context) (*protocol.Task, pipeline.Plan, error) {
	task, err := d.task()
	if err != nil {
		return nil, pipeline.Plan{}, err
	}
	plan, err := d.plan(ctx, task)
	return task, plan, err
}

// task reads the task.
func (d folder) task() (*protocol.Task, error) {
	text, err := d.read(protocol.TaskDir, protocol.TaskFile)
	if err != nil {
		return nil, err
	}
	o := &protocol.Task{}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, &failure.Error{Reason: failure.SourceInvalid, Message: "the worker's task is not JSON of this version; roll the manager and its workers to one image"}
	}
	return o, nil
}

// plan opens what the task names.
func (d folder) plan(ctx context.Context, o *protocol.Task) (pipeline.Plan, error) {
	key, err := d.read(protocol.KeyDir, protocol.KeyFile)
	if err != nil {
		return pipeline.Plan{}, err
	}
	from, err := d.source(ctx, o)
	if err != nil {
		return pipeline.Plan{}, err
	}
	plan := pipeline.Plan{Plan: plan.Plan{Format: o.Format, Store: o.Store, Columns: o.Columns, RowsPerBlock: o.RowsPerBlock, Pin: o.Pin, BadRows: o.BadRows}, Source: from, Key: key}
	return plan, nil
}

func (d folder) source(ctx context.Context, o *protocol.Task) (source.Source, error) {
	// The agent's authority signs for the service only.
	c := source.Config{URI: o.Source.URI, Schemes: o.Source.Schemes, Guard: guardOf(o.Allow)}
	if o.OwnIdentity {
		c.Identity = source.AnyBucket
	}
	switch {
	case o.Source.File != "":
		c.URI, c.Schemes, c.Root = (&url.URL{Scheme: "file", Path: "/" + o.Source.File}).String(), []string{"file"}, filepath.Join(string(d), protocol.SourceDir)
	case o.Source.URI == "":
		text, err := d.read(protocol.SourceURIDir, protocol.SourceURIFile)
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
	entries, err := os.ReadDir(filepath.Join(string(d), protocol.CredentialsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(protocol.CredentialsDir, err)
	}
	found := map[string][]byte{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue // the volume's own links
		}
		value, err := d.read(protocol.CredentialsDir, e.Name())
		if err != nil {
			return nil, err
		}
		found[e.Name()] = value
	}
	return found, nil
}

// guardOf is the rule of addresses.
func guardOf(a protocol.Allow) dial.Guard {
	return dial.NewGuard(dial.Allow{Hosts: a.Hosts, PlainHTTP: a.PlainHTTP}, dial.Policy(a.Policy))
}

// guard is the task's rule of addresses, with the agent's private authority or the
// administrator's.
func (d folder) guard(o *protocol.Task) (dial.Guard, error) {
	guard := guardOf(o.Allow)
	if o.Authority != nil {
		roots, err := dial.Authorities([]byte(o.Authority.PEM))
		if err != nil {
			return guard, &failure.Error{Reason: failure.SourceInvalid, Message: "the worker's task has no certificate of the service's authority; roll the manager and its workers to one image"}
		}
		guard.HostRoots = &dial.HostRoots{Host: o.Authority.Host, RootCAs: roots}
	}
	pem, err := os.ReadFile(filepath.Join(string(d), protocol.AuthorityDir, protocol.AuthorityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return guard, nil
	}
	if err != nil {
		return guard, unreadable(protocol.AuthorityDir, err)
	}
	if guard.RootCAs, err = dial.Authorities(pem); err != nil { // it has changed since the manager read it
		return guard, &failure.Error{Reason: failure.SourceUnavailable, Transient: true, Message: fmt.Sprintf(
			"the worker's file %s holds no PEM certificate; correct the ConfigMap of spec.caBundleConfigMapRef", filepath.Join(protocol.AuthorityDir, protocol.AuthorityFile))}
	}
	return guard, nil
}

// uriPatience is how long a pod waits for a renewed upload URI: a volume
// follows its Secret within a minute and a half.
const uriPatience = 2 * time.Minute

// target is where the blocks go: the upload URI is read anew at each use.
func (d folder) target(o *protocol.Task, c *http.Client, refused func(string)) upload.Target {
	return upload.Target{HTTP: c, Parallelism: o.Parallelism, Refused: refused, Patience: uriPatience, URI: func() string {
		text, err := os.ReadFile(filepath.Join(string(d), protocol.TaskDir, protocol.URIFile))
		if err != nil {
			return "" // the client says that it cannot be used
		}
		return strings.TrimSpace(string(text))
	}}
}
