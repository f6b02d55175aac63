package service

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// New opens the folder, repairs what a crash left, and is ready to serve.
func New(c Config) (*Service, error) { return newOver(c, fsys.OS{}) }

// newOver is New over a file system.
func newOver(c Config, fs fsys.FS) (*Service, error) {
	c = c.withDefaults()
	if c.Token == nil && c.Callers == nil {
		return nil, errors.New("the service needs a bearer token, or something else that tells who calls")
	}
	db, err := folder.Open(context.Background(), fs, c.Dir, c.Log)
	if err != nil {
		return nil, err
	}
	s, err := start(c, db, blobs.NewFolder(fs, filepath.Join(c.Dir, folder.Blocks)), blobs.NewFolder(fs, filepath.Join(c.Dir, folder.Tables)))
	if err == nil {
		s.control = &control{dir: c.Dir, records: db, log: c.Log}
	}
	return s, err
}

// start makes a service over its stores, which it closes.
func start(c Config, db records.Store, blocks, tables blobs.Store) (*Service, error) {
	staged := blobs.NewBlocks(blocks, c.Log)
	limits := index.Limits{Memory: c.IndexMemory / int64(c.Jobs)}
	s := &Service{config: c, records: db, blocks: staged, tables: index.NewTables(tables, staged, limits, c.Log), jobs: make(chan job, 1024),
		memory: newUploadBudget(c.UploadMemory), patience: uploadPatience, times: defaultTimes(),
		gate: newGate(c.MaxUnauthenticated), oracle: newOracle(c.MaxQuestions, c.MaxTenantQuestions), calling: newCallRate(c.MaxCalls), space: folder.NewSpace(c.Dir), probe: probe{patience: probePatience}}
	s.callers, s.metrics = s.authenticate, newMetrics(s)
	s.mux = s.routes()
	if err := s.begin(context.Background()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// begin reads the secret and takes up what a crash left.
func (s *Service) begin(ctx context.Context) (err error) {
	if s.secret, err = s.records.Secret(ctx); err != nil {
		return err
	}
	return s.recover(ctx)
}

// do does a job.
func (s *Service) do(ctx context.Context, j job) error {
	defer s.queued.Delete(j)
	began, work := time.Now(), func() error { return s.indexSession(ctx, j.tenant, j.session) }
	if j.store != "" {
		work = func() error { return s.reindex(ctx, j.tenant, j.store) }
	}
	err := work()
	if ctx.Err() == nil {
		s.metrics.indexed(j, began, err)
	}
	return err
}

// Run indexes and expires until ctx ends, then waits for the job at hand to
// reach its next safe point.
func (s *Service) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	workers.Go(func() { s.verify(ctx) })
	workers.Go(func() { s.tellQuestions(ctx) })
	if s.control != nil {
		workers.Go(func() { s.control.serve(ctx) })
	}
	for range s.config.Jobs {
		workers.Go(func() { s.index(ctx) })
	}
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		s.sweep(ctx)
		select {
		case <-ctx.Done():
			workers.Wait()
			return nil
		case <-tick.C:
		}
	}
}

// index works through the queue.
func (s *Service) index(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.jobs:
			if err := s.do(ctx, j); err != nil && ctx.Err() == nil {
				s.logOf(j.tenant).Error("indexing failed", "session", j.session, "store", j.store, "error", err)
			}
		}
	}
}

// Close releases the files. Nothing is lost without it.
func (s *Service) Close() error {
	return errors.Join(s.tables.Close(), s.records.Close())
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.metrics.measured(s.mux, w, r) }

// Server is an http.Server for this service with bounded times, headers and
// connections of strangers.
func (s *Service) Server() *http.Server {
	longest := s.times.grace + atRate(block.MaxSize, s.config.MinUploadRate) + s.patience
	return &http.Server{
		Handler: s, MaxHeaderBytes: 64 << 10, IdleTimeout: s.times.idle,
		ReadHeaderTimeout: s.times.header,
		ReadTimeout:       s.times.read,              // uploads go by their rate instead
		WriteTimeout:      2*longest + s.times.write, // an answer is bounded by itself
		ConnContext:       s.gate.note, ConnState: s.gate.follow,
	}
}
