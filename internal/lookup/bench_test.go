package lookup_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/testkit"
)

// BenchmarkLookup asks for 10,000 values of a file, half of which are there.
func BenchmarkLookup(b *testing.B) {
	l := serve(b, "numbers", numbers(5_000), id)
	path := filepath.Join(b.TempDir(), "values")
	testkit.Must(b, os.WriteFile(path, []byte(strings.TrimPrefix(numbers(10_000), "ID\n")), 0o600))
	for b.Loop() {
		err := l.command(b, nil, io.Discard, "--store", "numbers", "--column", "ID", "--values-from", path)
		if err == nil || err.Error() != "not found: 5000 of 10000 values" {
			b.Fatal(err)
		}
	}
}
