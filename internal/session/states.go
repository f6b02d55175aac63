//go:generate sh -c "go run exactmatch.dev/operator/hack/states > STATES.md"

package session

import (
	"fmt"
	"strings"
)

// Markdown renders the lifecycle's table as the document STATES.md. It is
// generated so that it cannot tell another story than the code.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# The lifecycle of a session\n\n")
	b.WriteString("Generated from `table.go` by `make generate`; do not edit.\n\n")
	b.WriteString("A row is what was observed, a column what `spec` asks for (the three last: a deleted object and its\n")
	b.WriteString("`deletionPolicy`), a cell the one step of a pass. Rows are judged from the top.\n\n|")
	b.WriteString(" observed |")
	for _, d := range Desires {
		fmt.Fprintf(&b, " %s |", d)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Desires)) + "\n")
	for _, s := range Situations {
		fmt.Fprintf(&b, "| **%s** |", s)
		for _, d := range Desires {
			fmt.Fprintf(&b, " %s |", table[s][d])
		}
		b.WriteString("\n")
	}
	return b.String()
}
