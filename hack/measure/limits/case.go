package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/block"
)

// The limits of memory that README.md states: of the process that reads, hashes
// and uploads under the manager's default budget, and of the service.
const (
	managerLimit = 512 << 20
	serviceLimit = 768 << 20
)

// largestRows make a block of 32 fields as large as it may be.
var largestRows = block.LargestRowsPerBlock(wideColumns)

// sizes are those of a run.
type sizes struct {
	Table, Line, Cell, Bomb int64
	Blocks, Parallel, Large int
	// LargestRows make the largest block.
	LargestRows int
}

func sizesOf(o options) sizes {
	if o.quick {
		return sizes{Table: 64e6, Line: 64 << 20, Cell: 8 << 20, Bomb: 256 << 20, Blocks: 500, Parallel: 8, Large: 1, LargestRows: largestRows}
	}
	return sizes{Table: 10e9, Line: 1 << 30, Cell: 64 << 20, Bomb: 10 << 30, Blocks: 50_000, Parallel: 32, Large: 12, LargestRows: largestRows}
}

// limitCase is one thing that is too large, or as large as may be. Says are the
// words of the refusal, none where it is taken.
type limitCase struct {
	Name, Cap string
	Says      []string
	// Table is read by a child where it is set; Upload takes it until it is live.
	Table  *tableSpec
	Upload bool
	// Service is asked where it is set, and gives its refusal.
	Service func(context.Context, *remote) (string, error) `json:"-"`
}

// result is what one case found. Memory is 0 where the process was not needed.
type result struct {
	Case             limitCase
	Refusal          string
	Rows, Bytes      int64
	Manager, Service int64
	Took             time.Duration
	Fault            string
}

// judge holds a result against the case.
func (c limitCase) judge(r result) error {
	var wrong []error
	if len(c.Says) == 0 && r.Refusal != "" {
		wrong = append(wrong, fmt.Errorf("it is refused: %s", r.Refusal))
	}
	for _, words := range c.Says {
		if !strings.Contains(r.Refusal, words) {
			wrong = append(wrong, fmt.Errorf("the refusal does not say %q: %q", words, r.Refusal))
		}
	}
	for name, over := range map[string]bool{"the manager's side": r.Manager > managerLimit, "the service": r.Service > serviceLimit} {
		if over {
			wrong = append(wrong, fmt.Errorf("%s takes more memory than is stated", name))
		}
	}
	return errors.Join(wrong...)
}

// size is a number of bytes for people: tables are powers of ten, the rest of two.
func size(n int64) string {
	switch {
	case n >= 1e9 && n%1e9 == 0:
		return fmt.Sprintf("%d GB", n/1e9)
	case n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1e6 && n%1e6 == 0:
		return fmt.Sprintf("%d MB", n/1e6)
	default:
		return fmt.Sprintf("%d MiB", n>>20)
	}
}

// remote is a service of its own for each case.
type remote struct{ *operator.Service }
