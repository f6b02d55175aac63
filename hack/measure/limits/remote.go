package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/crc64nvme"
	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
)

// call sends JSON and returns what is answered.
func (r *remote) call(ctx context.Context, method, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, r.Endpoint+"/dataClassification"+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.Token)
	return answerOf(request)
}

func answerOf(request *http.Request) (int, []byte, error) {
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, text, err
}

// refusal wants a create to be refused and returns the words.
func (r *remote) refusal(ctx context.Context, path string, body any) (string, error) {
	status, text, err := r.call(ctx, http.MethodPost, path, body)
	if err == nil && status < 400 {
		err = fmt.Errorf("it is answered %d", status)
	}
	return string(text), err
}

// made creates a resource and returns it.
func (r *remote) made(ctx context.Context, path string, body any) (map[string]any, error) {
	status, text, err := r.call(ctx, http.MethodPost, path, body)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("a create is answered %d: %s", status, text)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, json.Unmarshal(text, &out)
}

func columnsOf(n int) (columns []map[string]any, names []string) {
	for i := range n {
		name := fmt.Sprintf("C%d", i)
		columns, names = append(columns, map[string]any{"name": name}), append(names, name)
	}
	return columns, names
}

func wideStore(ctx context.Context, r *remote) (string, error) {
	columns, _ := columnsOf(33)
	return r.refusal(ctx, "/exactMatchDataStores", map[string]any{"displayName": "wide", "columns": columns})
}

func largeBody(ctx context.Context, r *remote) (string, error) {
	return r.refusal(ctx, "/exactMatchDataStores", map[string]any{"displayName": "large", "description": strings.Repeat("x", 2<<20)})
}

// store makes a data store of as many columns as may be and returns the path of its sessions.
func (r *remote) store(ctx context.Context) (string, error) {
	columns, _ := columnsOf(wideColumns)
	store, err := r.made(ctx, "/exactMatchDataStores", map[string]any{"displayName": "store", "columns": columns})
	return fmt.Sprintf("/exactMatchDataStores/%v/sessions", store["id"]), err
}

// remoteKey names the key of no table.
var remoteKey = fingerprint.KeyID{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}

func session(fields []string, rowsPerBlock, blocks int) map[string]any {
	return map[string]any{"fields": fields, "fileName": "a.csv", "rowsPerBlock": rowsPerBlock, "totalBlockCount": blocks, "keyId": remoteKey.String()}
}

func wideSession(ctx context.Context, r *remote) (string, error) {
	sessions, err := r.store(ctx)
	if err != nil {
		return "", err
	}
	_, names := columnsOf(33)
	return r.refusal(ctx, sessions, session(names, 1, 1))
}

func longSession(ctx context.Context, r *remote) (string, error) {
	sessions, err := r.store(ctx)
	if err != nil {
		return "", err
	}
	return r.refusal(ctx, sessions, session([]string{"C0"}, 1, 50_001))
}

// uploadURI opens a session of blocks that have as many columns as may be.
func (r *remote) uploadURI(ctx context.Context, rowsPerBlock, blocks int) (string, error) {
	sessions, err := r.store(ctx)
	if err != nil {
		return "", err
	}
	_, names := columnsOf(wideColumns)
	one, err := r.made(ctx, sessions, session(names, rowsPerBlock, blocks))
	return fmt.Sprint(one["dataUploadURI"]), err
}

// putBlock sends a block as an upload does.
func putBlock(ctx context.Context, uri string, index int, data ...[]byte) (int, string, error) {
	sum, size := crc64nvme.New(), int64(0)
	parts := make([]io.Reader, 0, len(data))
	for _, part := range data {
		_, _ = sum.Write(part) // a hash never fails
		size += int64(len(part))
		parts = append(parts, bytes.NewReader(part))
	}
	target := uri + "&comp=block&blockid=" + url.QueryEscape(block.ID(index, sum.Sum64()))
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, target, io.MultiReader(parts...))
	if err != nil {
		return 0, "", err
	}
	request.ContentLength = size
	status, text, err := answerOf(request)
	return status, string(text), err
}

func largeBlock(ctx context.Context, r *remote) (string, error) {
	uri, err := r.uploadURI(ctx, 1, 1)
	if err != nil {
		return "", err
	}
	status, text, err := putBlock(ctx, uri, 0, make([]byte, block.MaxSize+1))
	if err == nil && status < 400 {
		err = fmt.Errorf("it is answered %d", status)
	}
	return text, err
}

// parallelBlocks sends n blocks all at once and each of them until it
// is taken.
func parallelBlocks(ctx context.Context, r *remote, rows, n int) error {
	uri, err := r.uploadURI(ctx, rows, n)
	if err != nil {
		return err
	}
	_, names := columnsOf(wideColumns)
	largest, err := operator.NewBlock("store", remoteKey, names, rows, 0)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range n {
		head, tail := largest.Halves(i)
		group.Go(func() error {
			for {
				status, text, err := putBlock(ctx, uri, i, head, tail)
				if err == nil && status == http.StatusServiceUnavailable {
					continue // it had waited already
				}
				if err == nil && status != http.StatusCreated {
					err = fmt.Errorf("block %d is answered %d: %s", i, status, text)
				}
				return err
			}
		})
	}
	return group.Wait()
}

// runCase runs one case with the processes that it needs.
func runCase(ctx context.Context, o options, from *origin, c limitCase) (r result, err error) {
	r.Case = c
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	if !c.Upload && c.Service == nil {
		return r, r.readTable(ctx, from, nil)
	}
	dir, err := os.MkdirTemp(o.bin, "limits-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	service, err := operator.StartService(ctx, filepath.Join(o.bin, "exactmatch"), dir, "--log-level=warn")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, service.Stop()) }()
	if c.Service != nil {
		r.Refusal, err = c.Service(ctx, &remote{service})
	} else {
		err = r.readTable(ctx, from, service)
	}
	if err != nil {
		return r, err
	}
	usage, err := service.Usage()
	r.Service = usage.Peak
	return r, err
}

// readTable lets a child read the case's table.
func (r *result) readTable(ctx context.Context, from *origin, service *operator.Service) error {
	t := task{Table: *r.Case.Table, URL: from.url(r.Case.Table), Upload: r.Case.Upload}
	if service != nil {
		t.Endpoint, t.Token = service.Endpoint, service.Token
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var found finding
	if err := measure.Child(ctx, self, nil, t, &found); err != nil {
		return fmt.Errorf("the child: %w", err)
	}
	r.Refusal, r.Rows, r.Bytes, r.Manager = found.Refusal, found.Rows, found.Bytes, found.Peak
	return nil
}
