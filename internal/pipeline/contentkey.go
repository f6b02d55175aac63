package pipeline

import (
	"strings"

	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/plan"
)

// contentFormat is the version of content keys, blockFormat that of the blocks
// that they name.
const (
	contentFormat = "content/v2"
	blockFormat   = "block/v1"
)

// KnownContentKey reports whether a content key is of the version that this
// program makes. One of another version says nothing: the content that it names
// may be the same or not.
func KnownContentKey(key string) bool { return strings.HasPrefix(key, contentFormat+":") }

// contentKey names everything that decides the blocks and their index, as
// block/FORMAT.md describes it.
func (p Plan) contentKey(from *Prepared) string {
	d := plan.NewDigest(contentFormat)
	d.Add("content", from.Content)
	d.Add("store", p.Store)
	d.Add("keyID", from.KeyID)
	d.Add("rules", fingerprint.Rules)
	d.Add("blocks", blockFormat)
	d.AddNumber("rowsPerBlock", int64(p.RowsPerBlock))
	d.AddFormat(p.Format)
	for _, c := range p.Columns {
		d.AddRules(c)
	}
	return contentFormat + ":" + sumPrefix + d.Hex()
}

// sumPrefix stands before the digits of every checksum.
const sumPrefix = "sha256:"
