package simd

// ValidUTF8 tells whether a text is valid UTF-8, as unicode/utf8 has it.
func ValidUTF8(text []byte) bool { return active.validUTF8(text) }
