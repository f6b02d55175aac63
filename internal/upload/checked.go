package upload

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol's transfer check, not a secret's
	"encoding/binary"
	"errors"
)

// Checked says how far what the storage keeps was compared with what was sent: by
// the checksum of each block that it returned. HeaderRefused: it does not take a
// checksum beside a block, so only what it returns was compared.
type Checked struct {
	Compared      int  `json:"compared,omitempty"`
	Unverified    int  `json:"unverified,omitempty"` // blocks whose checksum it did not return
	HeaderRefused bool `json:"headerRefused,omitempty"`
}

// Add counts what another block or worker has compared.
func (c *Checked) Add(more Checked) {
	c.Compared += more.Compared
	c.Unverified += more.Unverified
	c.HeaderRefused = c.HeaderRefused || more.HeaderRefused
}

// errDamaged: the storage has other bytes than were sent.
var errDamaged = errors.New("the storage returned another checksum than that of the block")

// compared holds the checksums that the storage returned of a block against its
// bytes: CRC-64/NVME, little-endian, or MD5.
func compared(crc, digest []byte, sum uint64, data []byte) (Checked, error) {
	switch {
	case len(crc) > 0:
		if !bytes.Equal(crc, binary.LittleEndian.AppendUint64(nil, sum)) {
			return Checked{}, errDamaged
		}
	case len(digest) > 0:
		if got := md5.Sum(data); !bytes.Equal(digest, got[:]) { //nolint:gosec // the protocol's transfer check
			return Checked{}, errDamaged
		}
	default:
		return Checked{Unverified: 1}, nil
	}
	return Checked{Compared: 1}, nil
}
