package service

import (
	"net/http"

	"exactmatch.dev/operator/internal/edm"
)

// blockWeight is what a staged block counts for, in blocks: itself, its tokens in
// the table, and about as much for their indexes.
const blockWeight = 3

// checkSpace refuses a block that there is no room for, before a byte of it is
// read.
func (s *Service) checkSpace(size int64) error {
	free, err := s.space.Free()
	if err != nil {
		return err
	}
	// Blocks stop at twice of what makes the service unready, so that uploads by
	// themselves do not keep lookups from being answered.
	if least := 2*s.config.MinFreeDisk + size; free < least {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull,
			"%d MiB are free on the service's disk, and a block needs twice --min-free-disk (%d MiB) beside itself: make room, then send it again", free>>20, s.config.MinFreeDisk>>20)
	}
	tables, err := s.space.Used()
	if err != nil {
		return err
	}
	if used := tables + blockWeight*(s.blocks.Size()+size); used > s.config.MaxDisk {
		return fail(http.StatusInsufficientStorage, edm.CodeStorageFull,
			"with this block the service's tables and blocks would take %d MiB, where a block counts %d times, and --max-disk is %d MiB: delete what is not needed, or raise it", used>>20, blockWeight, s.config.MaxDisk>>20)
	}
	return nil
}
