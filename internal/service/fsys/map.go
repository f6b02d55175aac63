package fsys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapping implements Mapping.
type mapping []byte

func (m mapping) Bytes() []byte { return m }

func (m mapping) Close() error {
	if len(m) == 0 {
		return nil // nothing is mapped
	}
	return unix.Munmap(m)
}

// Map implements FS. The mapping outlives the descriptor.
func (OS) Map(path string) (Mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := mapFile(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return m, nil
}

func mapFile(f *os.File) (mapping, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
}
