package folder

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Space says how much room the data folder takes and how much is left.
type Space struct {
	// Free is what the disk has left, in bytes.
	Free func() (int64, error)

	dir string

	mu       sync.Mutex
	at       time.Time
	measured int64 // bytes of the tables and the database
}

// measureInterval is how long a measure of the tables holds.
const measureInterval = 10 * time.Second

// NewSpace measures a data folder.
func NewSpace(dir string) *Space {
	return &Space{dir: dir, Free: func() (int64, error) {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		return int64(stat.Bavail) * int64(stat.Bsize), err //nolint:unconvert // its types differ between systems
	}}
}

// Used measures everything but the staged blocks.
func (s *Space) Used() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < measureInterval {
		return s.measured, nil
	}
	total := int64(0)
	for _, name := range []string{Tables, Database} {
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
