package fingerprint

import (
	"encoding/hex"
	"fmt"

	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// knownAnswers are cells of the column Name of the store patients, which is
// case-insensitive, under the key of the bytes 0 to 31, and their tokens, as
// testdata/vectors.json has them.
var knownAnswers = []struct{ cell, token string }{
	{"\t", "00000000000000000000000000000000"},
	{"X", "49e0206a5e57dba3c8268bae15f4468c"},
	{"\u00df", "176623ddee1ba4da7656e8e52131c8ec"},
	{"\u01f0", "3d9acb45d02dc0a2089e6225c7800d6e"},
	{"\ufb00", "c558a56210c149efc35cd066ff815b45"},
	{"\u13a0", "046ea6019336e56206f9dbccd26fdf42"},
	{"A\x00B", "afe905cbdd155b7bb05f300b51504d9f"},
	{"AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrS", "6a726d563ed6616ee4b4fc5c8adfe2f3"},
	{"AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrSt", "1ccb8eeee98aa1d6b7b5390ed24e1d03"},
	{"X\u00c0\u00c9\u00ce\u00d5\u00dc\u00c7\u00d1\u00d8\u00c0\u00c9\u00ce\u00d5\u00dc\u00c7\u00d1\u00d8\u00c0\u00c9\u00ce\u00d5\u00dc\u00c7\u00d1\u00d8\u00c0\u00c9\u00ce", "fcb06bd81fe07550271d325f1e6b1d37"},
}

// SelfTest makes known tokens on the path that this process uses, in every
// place of a batch. A process that fails it must make none: its tokens would
// match nothing, and nobody would notice. It also reports a path that was asked
// for and cannot be had.
func SelfTest() error {
	if err := simd.Err(); err != nil {
		return err
	}
	secret := make([]byte, MinKeySize)
	for i := range secret {
		secret[i] = byte(i)
	}
	key, err := NewKey(secret)
	if err != nil {
		return err
	}
	h, err := key.Hasher("patients", schema.Column{Name: "Name", IsCaseInsensitive: true})
	if err != nil {
		return err
	}
	var text []byte
	var spans []simd.Span
	for i := range simd.Lanes * len(knownAnswers) {
		cell := knownAnswers[i%len(knownAnswers)].cell
		spans = append(spans, simd.Span{Start: uint32(len(text)), End: uint32(len(text) + len(cell))})
		text = append(text, cell...)
	}
	tokens := make([]byte, len(spans)*TokenSize)
	h.Tokens(tokens, text, spans)
	for i := range spans {
		if hex.EncodeToString(tokens[i*TokenSize:(i+1)*TokenSize]) != knownAnswers[i%len(knownAnswers)].token {
			return fmt.Errorf("the self-test of the tokens failed on path %s of this machine: set %s to another of %v", simd.Path(), simd.Environment, simd.Paths())
		}
	}
	return nil
}
