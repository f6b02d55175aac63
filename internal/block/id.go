package block

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"

	"github.com/minio/crc64nvme"
)

// idSize is the bytes of an id before base64: all ids of a blob must have one
// length. 12 bytes make 16 characters without padding.
const idSize = 12

// Sum is the CRC-64/NVME of a block's bytes, the sum that the blob protocol
// checks in transfer.
func Sum(data []byte) uint64 { return crc64nvme.Checksum(data) }

// AddSum is the sum of the bytes that sum is of, and of data behind them.
func AddSum(sum uint64, data []byte) uint64 { return crc64nvme.Update(sum, data) }

// ID names a staged block: its index, so that the list can be put in order, and
// its sum, so that a resumed upload knows whether the bytes are the same.
func ID(index int, sum uint64) string {
	var id [idSize]byte
	binary.BigEndian.PutUint32(id[:4], uint32(index))
	binary.BigEndian.PutUint64(id[4:], sum)
	return base64.StdEncoding.EncodeToString(id[:])
}

// errID says that an id was not made by ID.
var errID = errors.New("the block id is not an index and a CRC-64 in base64")

// ParseID is the inverse of ID: an id has one spelling.
func ParseID(id string) (index int, sum uint64, err error) {
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) != idSize {
		return 0, 0, errID
	}
	at := binary.BigEndian.Uint32(raw[:4])
	index, sum = int(at), binary.BigEndian.Uint64(raw[4:])
	if at > math.MaxInt32 || ID(index, sum) != id {
		return 0, 0, errID
	}
	return index, sum, nil
}
