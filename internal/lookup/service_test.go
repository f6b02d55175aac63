package lookup_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/lookup"
	"exactmatch.dev/operator/internal/testkit/livetable"
)

var key = livetable.Key

// live is a service with one data store, whose table it answers from.
type live struct{ livetable.Service }

// serve uploads a table of comma-separated values under these columns.
func serve(t testing.TB, name, table string, columns ...edm.Column) live {
	t.Helper()
	return live{livetable.Serve(t, name, table, columns...)}
}

// numbers is a table whose column ID holds K-00001, K-00002 and so on.
func numbers(rows int) string {
	var text strings.Builder
	text.WriteString("ID\n")
	for i := range rows {
		fmt.Fprintf(&text, "K-%05d\n", i+1)
	}
	return text.String()
}

// command is the lookup command beside the files that it needs.
func (l live) command(t testing.TB, stdin io.Reader, out io.Writer, args ...string) error {
	t.Helper()
	return l.Run(t, lookup.Command(), stdin, out, args...)
}

// ask runs the command and returns what it printed, one space between words.
func (l live) ask(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := l.command(t, strings.NewReader(stdin), &out, args...)
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n"), err
}
