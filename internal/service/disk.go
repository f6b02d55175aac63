package service

import (
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"exactmatch.dev/operator/internal/edm"
)

// space says how much room the data folder takes and how much is left.
type space struct {
	dir  string
	free func() (int64, error)

	mu       sync.Mutex
	at       time.Time
	measured int64 // bytes of the tables and the database
}

// measureInterval is how long a measure of the tables holds.
const measureInterval = 10 * time.Second

// blockWeight is what a staged block counts for, in blocks: itself, its tokens in
// the table, and about as much for their indexes.
const blockWeight = 3

func newSpace(dir string) *space {
	return &space{dir: dir, free: func() (int64, error) {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		return int64(stat.Bavail) * int64(stat.Bsize), err //nolint:unconvert // its types differ between systems
	}}
}

// tables measures everything but the staged blocks.
func (s *space) tables() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < measureInterval {
		return s.measured, nil
	}
	total := int64(0)
	for _, name := range []string{tablesName, databaseName} {
		err := filepath.WalkDir(filepath.Join(s.dir, name), func(_ string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err == nil {
				total += info.Size()
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a table may go meanwhile
			return 0, err
		}
	}
	s.measured, s.at = total, time.Now()
	return total, nil
}

// checkSpace refuses a block that there is no room for, before a byte of it is
// read.
func (s *Service) checkSpace(size int64) error {
	free, err := s.space.free()
	if err != nil {
		return err
	}
	// Blocks stop at twice of what makes the service unready, so that uploads by
	// themselves do not keep lookups from being answered.
	if least := 2*s.config.MinFreeDisk + size; free < least {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull,
			"%d MiB are free on the service's disk, and a block needs twice --min-free-disk (%d MiB) beside itself: make room, then send it again", free>>20, s.config.MinFreeDisk>>20)
	}
	tables, err := s.space.tables()
	if err != nil {
		return err
	}
	if used := tables + blockWeight*(s.blocks.Size()+size); used > s.config.MaxDisk {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull,
			"with this block the service's tables and blocks would take %d MiB, where a block counts %d times, and --max-disk is %d MiB: delete what is not needed, or raise it", used>>20, blockWeight, s.config.MaxDisk>>20)
	}
	return nil
}
