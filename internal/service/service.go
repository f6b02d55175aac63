// Package service is the self-hosted exact data match service: it keeps data
// stores, takes sessions of blocks, indexes them in the background and answers
// lookups. Everything that it acknowledges survives a crash: records lie in one
// bbolt file, blocks and indexes in files that are synced before the answer.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/index"
)

// Config of the service. Zero values mean the defaults that are named.
type Config struct {
	// Dir holds everything; it is created with mode 0700.
	Dir string
	// Token returns the bearer token that callers must show; it is asked at each
	// request, so that a rotated one takes effect at once.
	Token func() (string, error)
	// PublicURL is the base of upload URIs; default: what the request was sent to.
	PublicURL string
	// MaxCommits of one data store in 24 hours: default 5.
	MaxCommits int
	// SessionTTL ends unfinished sessions: default 7 days.
	SessionTTL time.Duration
	// UploadURITTL is the life of an upload URI: default 4 hours.
	UploadURITTL time.Duration
	// Jobs bounds the sessions that are indexed at once: default 1.
	Jobs int
	// UploadMemory bounds the blocks that are received at once, in bytes: default
	// 256 MiB. A block that finds no room waits. A session takes half of it at most,
	// or one block.
	UploadMemory int64
	// MinUploadRate is what a body must come at on average, in bytes a second, after
	// the first 10 seconds: default 64 KiB.
	MinUploadRate int64
	// MaxUnauthenticated bounds the connections that have not shown a valid token or
	// signature: default 256. One more closes the oldest.
	MaxUnauthenticated int
	// MaxDataStores and MaxUploadAgents bound those that may exist: default 10,000.
	MaxDataStores, MaxUploadAgents int
	// MaxDisk bounds what tables and blocks take, in bytes: default 256 GiB.
	MaxDisk int64
	// MinFreeDisk is what must be free on the disk, in bytes, for the service to be
	// ready: default 64 MiB. Blocks are refused below twice as much.
	MinFreeDisk int64
	Log         *slog.Logger
	Now         func() time.Time
}

// Service implements http.Handler. Make it with New, let Run work in the
// background, and Close it.
type Service struct {
	config   Config
	db       *records
	tables   *index.Tables
	blocks   *blobs.Blocks
	mux      *http.ServeMux
	jobs     chan job
	memory   *uploadBudget
	patience time.Duration // of a request that wants some of it
	times    times
	gate     *gate
	space    *space
	probe    probe
	queued   sync.Map       // jobs that wait or are done now
	opened   map[string]int // store id → unfinished sessions, or more; only in a transaction that writes
}

// New opens the folder, repairs what a crash left, and is ready to serve.
func New(c Config) (*Service, error) { return newOver(c, fsys.OS{}) }

// newOver is New over a file system.
func newOver(c Config, fs fsys.FS) (*Service, error) {
	c = c.withDefaults()
	if c.Token == nil {
		return nil, errors.New("the service needs a bearer token")
	}
	db, err := openFolder(c, fs)
	if err != nil {
		return nil, err
	}
	s := &Service{config: c, db: db, jobs: make(chan job, 1024), opened: map[string]int{},
		memory: newUploadBudget(c.UploadMemory), patience: uploadPatience, times: defaultTimes(),
		gate: newGate(c.MaxUnauthenticated), space: newSpace(c.Dir), probe: probe{patience: probePatience}}
	s.blocks = blobs.NewBlocks(blobs.NewFolder(fs, filepath.Join(c.Dir, blocksName)), c.Log)
	s.tables = index.NewTables(blobs.NewFolder(fs, filepath.Join(c.Dir, tablesName)), c.Log)
	if err := s.recover(context.Background()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.mux = s.routes()
	return s, nil
}

// openFolder opens the database of a data folder that fits together, and makes what
// a new one lacks.
func openFolder(c Config, fs fsys.FS) (*records, error) {
	found, err := lookAt(fs, c.Dir)
	if err == nil {
		err = found.hasDatabase()
	}
	if err != nil {
		return nil, err
	}
	for _, d := range []string{c.Dir, filepath.Join(c.Dir, blocksName), filepath.Join(c.Dir, tablesName)} {
		if err := fs.MkdirAll(d); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	db, err := openRecords(filepath.Join(c.Dir, databaseName), c.Log)
	if err != nil {
		return nil, err
	}
	if err := db.join(found, c.Log); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// join makes a database and the folder around it one, where they fit.
func (r *records) join(f *folder, log *slog.Logger) error {
	if err := f.fits(r); err != nil {
		return err
	}
	if err := r.prepare(); err != nil {
		return err
	}
	if err := syncNames(f.files, f.dir); err != nil {
		return fmt.Errorf("sync the data folder: %w", err)
	}
	is, err := r.identity()
	if err != nil {
		return err
	}
	if f.identity == nil {
		if err := writeIdentity(f.files, f.dir, is); err != nil {
			return fmt.Errorf("write the identity of the data folder: %w", err)
		}
		f.identity = &is
	}
	r.folder, err = openIdentity(f.files, f.dir, *f.identity, log)
	return err
}

// syncNames keeps the folder and its database: neither bbolt nor mkdir syncs the
// names that it makes. A folder above that may not be read was there before.
func syncNames(fs fsys.FS, dir string) error {
	above := fs.SyncDir(filepath.Dir(filepath.Clean(dir)))
	if errors.Is(above, os.ErrPermission) {
		above = nil
	}
	return errors.Join(above, fs.SyncDir(dir))
}

func (c Config) withDefaults() Config {
	c.MaxCommits = cmp.Or(c.MaxCommits, 5)
	c.SessionTTL = cmp.Or(c.SessionTTL, 7*24*time.Hour)
	c.UploadURITTL = cmp.Or(c.UploadURITTL, 4*time.Hour)
	c.Jobs = cmp.Or(c.Jobs, 1)
	c.UploadMemory = cmp.Or(c.UploadMemory, 256<<20)
	c.MinUploadRate = cmp.Or(c.MinUploadRate, 64<<10)
	c.MaxUnauthenticated = cmp.Or(c.MaxUnauthenticated, 256)
	c.MaxDataStores = cmp.Or(c.MaxDataStores, 10_000)
	c.MaxUploadAgents = cmp.Or(c.MaxUploadAgents, 10_000)
	c.MaxDisk = cmp.Or(c.MaxDisk, 256<<30)
	c.MinFreeDisk = cmp.Or(c.MinFreeDisk, 64<<20)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// now is the service's clock in UTC, in the precision that JSON keeps.
func (s *Service) now() time.Time { return s.config.Now().UTC().Truncate(time.Millisecond) }

// job is what the workers do: index a committed session, or the live table of a
// store once more.
type job struct{ session, store string }

// enqueue hands a job to the workers.
func (s *Service) enqueue(j job) {
	if _, already := s.queued.LoadOrStore(j, true); already {
		return
	}
	select {
	case s.jobs <- j:
	default:
		s.queued.Delete(j) // taken up by the next sweep
	}
}

// do does a job.
func (s *Service) do(ctx context.Context, j job) error {
	defer s.queued.Delete(j)
	if j.store != "" {
		return s.reindex(ctx, j.store)
	}
	return s.indexSession(ctx, j.session)
}

// sweepInterval is how often sessions are looked at for expiry.
const sweepInterval = 15 * time.Second

// Run indexes and expires until ctx ends, then waits for the job at hand to
// reach its next safe point.
func (s *Service) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	workers.Go(func() { s.verify(ctx) })
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
				s.config.Log.Error("indexing failed", "session", j.session, "store", j.store, "error", err)
			}
		}
	}
}

// Close releases the files. Nothing is lost without it.
func (s *Service) Close() error {
	return errors.Join(s.tables.Close(), s.db.close())
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

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
