package block

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
)

// An id comes from a storage, or from a caller that has an upload URI: one that ID did
// not make is refused.
func TestOnlyOurIDsAreRead(t *testing.T) {
	for _, index := range []int{0, 7, math.MaxInt32} {
		id := ID(index, 0x0123456789abcdef)
		if at, sum, err := ParseID(id); err != nil || at != index || sum != 0x0123456789abcdef {
			t.Errorf("%q is read as %d, %x, %v", id, at, sum, err)
		}
	}
	raw, err := base64.StdEncoding.DecodeString(ID(7, 9))
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{
		"nothing": "", "too short": base64.StdEncoding.EncodeToString(raw[:11]), "too long": base64.StdEncoding.EncodeToString(append(raw, 0)),
		"with a line end": ID(7, 9)[:8] + "\n" + ID(7, 9)[8:], "with a carriage return": ID(7, 9) + "\r",
		"no base64": strings.Repeat("?", 16), "another alphabet": "-___________" + "____",
		"an index beyond int32": base64.StdEncoding.EncodeToString(append([]byte{0x80}, raw[1:]...)),
		"the largest index":     base64.StdEncoding.EncodeToString(append([]byte{0xff, 0xff, 0xff, 0xff}, raw[4:]...)),
	} {
		if at, _, err := ParseID(id); err == nil {
			t.Errorf("%s: it is read as block %d", name, at)
		}
	}
}
