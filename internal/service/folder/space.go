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
	measured int64            // bytes of the tables and the database
	tables   map[string]int64 // bytes, by session
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
	err := s.measure()
	return s.measured, err
}

// UsedBy measures the tables of sessions.
func (s *Space) UsedBy(sessions map[string]bool) (total int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.measure(); err != nil {
		return 0, err
	}
	for one := range sessions {
		total += s.tables[one]
	}
	return total, nil
}

// measure looks at the files, unless it did a moment ago. s.mu is held.
func (s *Space) measure() error {
	if time.Since(s.at) < measureInterval {
		return nil
	}
	total, tables := int64(0), map[string]int64{}
	root := filepath.Join(s.dir, Tables)
	for _, name := range []string{root, filepath.Join(s.dir, Database)} {
		err := filepath.WalkDir(name, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			total += info.Size()
			if dir := filepath.Dir(path); filepath.Dir(dir) == root {
				tables[filepath.Base(dir)] += info.Size()
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a table may go meanwhile
			return err
		}
	}
	s.measured, s.tables, s.at = total, tables, time.Now()
	return nil
}
