//go:build !amd64

package simd

// paths has none of assembly here.
func paths() []path { return nil }
