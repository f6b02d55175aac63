package service

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/records"
)

// blockWeight is what a staged block counts for, in blocks: itself, and at most as much
// again for its place in the indexes, which have 12 bytes for each token of 16.
const blockWeight = 2

// checkSpace refuses a block that there is no room for, before a byte of it is
// read.
func (s *Service) checkSpace(ctx context.Context, one *records.Session, size int64) error {
	s.blocks.Own(one.ID, one.Tenant)
	free, err := s.space.Free()
	if err != nil {
		return err
	}
	// Blocks stop at twice of what makes the service unready, so that uploads by
	// themselves do not keep lookups from being answered.
	if least := 2*s.config.MinFreeDisk + size; free < least {
		return s.noRoom(ctx, one.Tenant, "%d MiB are free on the service's disk, and a block needs twice --min-free-disk (%d MiB) beside itself: make room, then send it again",
			free>>20, s.config.MinFreeDisk>>20)
	}
	used, err := s.usedSpace()
	if err != nil {
		return err
	}
	if used += blockWeight * size; used > s.config.MaxDisk {
		return s.noRoom(ctx, one.Tenant, "with this block the service's tables and blocks would take %d MiB, where a block counts %d times, and --max-disk is %d MiB: delete what is not needed, or raise it",
			used>>20, blockWeight, s.config.MaxDisk>>20)
	}
	return s.checkShare(ctx, one.Tenant, size)
}

// usedSpace is what tables and blocks count for.
func (s *Service) usedSpace() (int64, error) {
	tables, err := s.space.Used()
	return tables + s.blocks.Kept() + blockWeight*s.blocks.Size(), err
}

// noRoom refuses a block for what all tenants take together. That is told to the
// administrators alone: in the log, and to those whose stores have no tenant.
func (s *Service) noRoom(ctx context.Context, tenant, format string, args ...any) error {
	if tenant == "" {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull, format, args...)
	}
	s.logIn(ctx, tenant).Warn("a block was refused", "reason", fmt.Sprintf(format, args...))
	return fail(http.StatusInsufficientStorage, edm.CodeStorageFull, "the service has no room for the block: ask its administrator to make some, then send it again")
}

// checkShare refuses a block that is more than its tenant may have.
func (s *Service) checkShare(ctx context.Context, tenant string, size int64) error {
	if s.config.MaxTenantDisk == 0 {
		return nil
	}
	tables, err := s.shares.of(tenant, func() (int64, error) { return s.tablesOf(ctx, tenant) })
	if err != nil {
		return err
	}
	used := tables + blockWeight*(s.blocks.SizeOf(tenant)+size)
	if used <= s.config.MaxTenantDisk {
		return nil
	}
	return fail(http.StatusInsufficientStorage, edm.CodeStorageFull,
		"with this block the tables and blocks of the tenant would take %d MiB, where a block counts %d times, and --max-tenant-disk is %d MiB: delete what is not needed, or raise it", used>>20, blockWeight, s.config.MaxTenantDisk>>20)
}

// tablesOf measures the tables of a tenant.
func (s *Service) tablesOf(ctx context.Context, tenant string) (bytes int64, err error) {
	var sessions map[string]bool
	err = s.records.Of(tenant).View(ctx, func(tx records.Tx) (err error) {
		sessions, err = folder.SessionsOf(tx)
		return err
	})
	if err != nil {
		return 0, err
	}
	tables, err := s.space.UsedBy(sessions)
	return tables + s.blocks.KeptBy(sessions), err
}

// shares are what the tables of tenants took when that was measured last.
type shares struct {
	mu sync.Mutex
	by map[string]share
}

type share struct {
	at    time.Time
	bytes int64
}

// shareInterval is how long a measure holds, as that of all tables does.
const shareInterval = 10 * time.Second

func (s *shares) of(tenant string, measure func() (int64, error)) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.by[tenant]; known && time.Since(last.at) < shareInterval {
		return last.bytes, nil
	}
	bytes, err := measure()
	if err != nil {
		return 0, err
	}
	if s.by == nil {
		s.by = map[string]share{}
	}
	s.by[tenant] = share{time.Now(), bytes}
	return bytes, nil
}
