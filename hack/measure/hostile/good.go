package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

const (
	tableRows = 100_000
	storeName = "people"
)

var keyID = fingerprint.KeyID{1, 2, 3, 4, 5, 6, 7, 8}

// token of a row, which spreads as those of a key do.
func token(row int) []byte {
	var out [fingerprint.TokenSize]byte
	binary.BigEndian.PutUint64(out[:], uint64(row+1)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(out[8:], uint64(row+1)*0xBF58476D1CE4E5B9)
	return out[:]
}

// good is the client whose answers are timed.
type good struct {
	client *http.Client
	url    string
	token  string
	upload string // an upload URI for the bad ones
	asked  int
}

// newGood brings a table, and opens a session that is never sealed.
func newGood(ctx context.Context, s *operator.Service) (*good, error) {
	g := &good{client: &http.Client{Timeout: time.Minute}, token: s.Token}
	store, err := operator.NewStore(ctx, s.Endpoint, s.Token, edm.DataStore{DisplayName: storeName, Columns: []edm.Column{{Name: "ID", IsSearchable: true}}})
	if err != nil {
		return nil, err
	}
	g.url = s.Endpoint + "/dataClassification/exactMatchDataStores/" + store.ID + "/match"
	var tokens []byte
	for row := range tableRows {
		tokens = append(tokens, token(row)...)
	}
	data, err := block.Append(nil, block.Header{Rules: fingerprint.Rules, KeyID: keyID, Store: storeName, Rows: tableRows, Columns: []string{"ID"}}, [][]byte{tokens})
	if err != nil {
		return nil, err
	}
	of := operator.Blocks{RowsPerBlock: tableRows, Count: 1, KeyID: keyID.String(), ContentKey: "sha256:" + strings.Repeat("0", 64)}
	one, err := store.Open(ctx, of)
	if err != nil {
		return nil, err
	}
	id := block.ID(0, block.Sum(data))
	if err := g.put(ctx, one.DataUploadURI+"&comp=block&blockid="+url.QueryEscape(id), data); err != nil {
		return nil, err
	}
	if err := g.put(ctx, one.DataUploadURI+"&comp=blocklist", []byte("<BlockList><Latest>"+id+"</Latest></BlockList>")); err != nil {
		return nil, err
	}
	if err := store.Commit(ctx, one.ID, 10*time.Millisecond); err != nil {
		return nil, err
	}
	open, err := store.Client.Sessions().Create(ctx, store.ID, edm.Session{
		UploadAgentID: one.UploadAgentID, Fields: one.Fields, FileName: one.FileName, RowsPerBlock: one.RowsPerBlock, TotalBlockCount: one.TotalBlockCount, KeyID: one.KeyID,
	}, "another")
	if err != nil {
		return nil, err
	}
	g.upload = open.DataUploadURI
	return g, nil
}

func (g *good) put(ctx context.Context, uri string, data []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, uri, bytes.NewReader(data))
	if err != nil {
		return err
	}
	return g.do(r, http.StatusCreated, nil)
}

func (g *good) do(r *http.Request, status int, into any) error {
	answer, err := g.client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // it was read
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%d %s", answer.StatusCode, text)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

// ask sends one call of 10 questions, whose answers it knows.
func (g *good) ask(ctx context.Context) error {
	q := edm.MatchRequest{KeyID: keyID.String()}
	for n := range 10 {
		q.Questions = append(q.Questions, edm.MatchQuestion{Column: "ID", Token: base64.StdEncoding.EncodeToString(token((g.asked + n*7919) % tableRows))})
	}
	g.asked += 101
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+g.token)
	var got edm.MatchResponse
	if err := g.do(r, http.StatusOK, &got); err != nil {
		return err
	}
	for _, one := range got.Answers {
		if one.Total != 1 {
			return fmt.Errorf("a row that is there is answered by %+v", one)
		}
	}
	return nil
}

const callInterval = 10 * time.Millisecond

// asks times the calls of a while.
func (g *good) asks(ctx context.Context, window time.Duration) (took []float64, failed int) {
	ticks := time.NewTicker(callInterval)
	defer ticks.Stop()
	over := time.After(window)
	for {
		select {
		case <-ctx.Done():
			return took, failed
		case <-over:
			return took, failed
		case <-ticks.C:
			began := time.Now()
			if err := g.ask(ctx); err != nil {
				failed++
				measure.Say("a good call failed: %v", err)
			}
			took = append(took, time.Since(began).Seconds())
		}
	}
}

// beside times calls alone and among the bad clients, twice each.
func (g *good) beside(ctx context.Context, t task, window time.Duration) (r result, err error) {
	r.kind = t.Kind
	program, err := os.Executable()
	if err != nil {
		return r, err
	}
	for range 2 {
		took, failed := g.asks(ctx, window)
		r.alone, r.failed = append(r.alone, took...), r.failed+failed
		t.Seconds = window.Seconds() + warm.Seconds()
		var one found
		ended := make(chan error, 1)
		go func() { ended <- measure.Child(ctx, program, nil, t, &one) }()
		g.asks(ctx, warm) // until all of them are there
		took, failed = g.asks(ctx, window)
		r.among, r.failed = append(r.among, took...), r.failed+failed
		if err := <-ended; err != nil {
			return r, err
		}
		r.found.Connections += one.Connections
		r.found.Calls += one.Calls
	}
	return r, nil
}

// warm is how long the bad clients are given to begin.
const warm = 2 * time.Second
