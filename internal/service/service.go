// Package service is the self-hosted exact data match service: it keeps data
// stores, takes sessions of blocks, indexes them in the background and answers
// lookups. Everything that it acknowledges survives a crash.
//
// Here are the calls, OData, the blob protocol, authentication and quota, and what
// joins the rooms below: records in a records.Store, staged blocks and the files of
// tables each in a blobs.Store, and tables by package index. Package folder opens
// those of one machine.
package service

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// Config of the service. Zero values mean the defaults that are named.
type Config struct {
	// Dir holds everything; it is created with mode 0700.
	Dir string
	// Token returns the service's own bearer token, whose bearer may do everything; it is
	// asked at each request, so that a rotated one takes effect at once. Nil for none.
	Token func() (string, error)
	// Callers finds out whose any other token is. Nil for none; one of the two must be there.
	Callers interface {
		Authenticate(ctx context.Context, token string) (authn.Caller, error)
	}
	// PublicURL is the base of upload URIs; default: what the request was sent to.
	PublicURL string
	// MaxCommits of one data store in 24 hours: default 0, no bound.
	MaxCommits int
	// SessionTTL ends unfinished sessions: default 7 days.
	SessionTTL time.Duration
	// UploadURITTL is the life of an upload URI: default 4 hours.
	UploadURITTL time.Duration
	// Jobs bounds the sessions that are indexed at once: default 1.
	Jobs int
	// IndexMemory bounds what they take together, in bytes: default 256 MiB.
	IndexMemory int64
	// RollbackRetention is how long the table before the live one is kept: 0 for not at
	// all.
	RollbackRetention time.Duration
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
	// MaxDataStores and MaxUploadAgents bound those of a tenant: default 10,000.
	MaxDataStores, MaxUploadAgents int
	// MaxDisk bounds what tables and blocks take, in bytes: default 256 GiB.
	MaxDisk int64
	// MaxTenantDisk bounds what tables and blocks of one tenant take, in bytes, beside
	// MaxDisk: default 0, no bound of its own.
	MaxTenantDisk int64
	// MinFreeDisk is what must be free on the disk, in bytes, for the service to be
	// ready: default 64 MiB. Blocks are refused below twice as much.
	MinFreeDisk int64
	// MaxQuestions and MaxTenantQuestions bound the questions of lookup and match of one caller and of a whole tenant,
	// a minute: default 1,000,000 and 4,000,000. Callers without a tenant are not bounded.
	MaxQuestions, MaxTenantQuestions int
	// MaxCalls bounds the calls of one caller, a second: default 0, for any number.
	MaxCalls int
	// Certificate is until when the one that is shown is valid; nil without TLS.
	Certificate func() time.Time
	Log         *slog.Logger
	Now         func() time.Time
}

// Service implements http.Handler. Make it with New, let Run work in the
// background, and Close it.
type Service struct {
	config   Config
	records  records.Store
	secret   []byte // signs upload URIs
	tables   *index.Tables
	blocks   *blobs.Blocks
	mux      *http.ServeMux
	callers  func(*http.Request) (authn.Caller, error)
	jobs     chan job
	memory   *uploadBudget
	patience time.Duration // of a request that wants some of it
	times    times
	gate     *gate
	oracle   *oracle
	calling  *callRate
	space    *folder.Space
	shares   shares
	probe    probe
	queued   sync.Map // jobs that wait or are done now
	control  *control
	metrics  *metrics
	doubted  time.Time // when the sums of pages were forgotten; the sweep's own
	handles  sync.Map  // tenants by what upload URIs have in place of their names
}

func (c Config) withDefaults() Config {
	c.SessionTTL = cmp.Or(c.SessionTTL, 7*24*time.Hour)
	c.UploadURITTL = cmp.Or(c.UploadURITTL, 4*time.Hour)
	c.Jobs = cmp.Or(c.Jobs, 1)
	c.IndexMemory = cmp.Or(c.IndexMemory, 256<<20)
	c.UploadMemory = cmp.Or(c.UploadMemory, 256<<20)
	c.MinUploadRate = cmp.Or(c.MinUploadRate, 64<<10)
	c.MaxUnauthenticated = cmp.Or(c.MaxUnauthenticated, 256)
	c.MaxDataStores = cmp.Or(c.MaxDataStores, 10_000)
	c.MaxUploadAgents = cmp.Or(c.MaxUploadAgents, 10_000)
	c.MaxDisk = cmp.Or(c.MaxDisk, 256<<30)
	c.MinFreeDisk = cmp.Or(c.MinFreeDisk, 64<<20)
	c.MaxQuestions = cmp.Or(c.MaxQuestions, 1_000_000)
	c.MaxTenantQuestions = cmp.Or(c.MaxTenantQuestions, 4_000_000)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// now is the service's clock in UTC, in the precision that JSON keeps.
func (s *Service) now() time.Time { return s.config.Now().UTC().Truncate(time.Millisecond) }

// job is what the workers do for a tenant: index a committed session, or the live
// table of a store again.
type job struct{ tenant, session, store string }

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
