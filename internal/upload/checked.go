package upload

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol's transfer check, not a secret's
	"encoding/binary"
	"errors"

	"exactmatch.dev/operator/internal/progress"
)

// errDamaged: the storage has other bytes than were sent.
var errDamaged = errors.New("the storage returned another checksum than that of the block")

// compared holds the checksums that the storage returned of a block against its
// bytes: CRC-64/NVME, little-endian, or MD5.
func compared(crc, digest []byte, sum uint64, data []byte) (progress.Checked, error) {
	switch {
	case len(crc) > 0:
		if !bytes.Equal(crc, binary.LittleEndian.AppendUint64(nil, sum)) {
			return progress.Checked{}, errDamaged
		}
	case len(digest) > 0:
		if got := md5.Sum(data); !bytes.Equal(digest, got[:]) { //nolint:gosec // the protocol's transfer check
			return progress.Checked{}, errDamaged
		}
	default:
		return progress.Checked{Unverified: 1}, nil
	}
	return progress.Checked{Compared: 1}, nil
}
