package lookup

import (
	"context"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
)

// unshown is a service that does not show which table is live.
type unshown struct{ *liveStore }

func (u unshown) List(context.Context, edm.Query) ([]edm.DataStore, error) {
	return []edm.DataStore{{ID: "1", DisplayName: "numbers", Columns: edm.WithRules(exact)}}, nil
}

// Also where nobody can tell from the store that another table came, answers of two
// tables are never given together.
func TestAnswersAreOfOneTableThatIsNotShown(t *testing.T) {
	l := newLiveStore(exact)
	a, err := Open(t.Context(), unshown{l}, Query{Key: testKey, Store: "numbers", Column: "ID"})
	if err != nil {
		t.Fatal(err)
	}
	for number := range 2 {
		if found, err := a.Ask(t.Context(), Value{Number: number, Text: "K-1"}); err != nil || found.Generation != 1 {
			t.Fatalf("value %d: %+v, %v", number, found, err)
		}
	}
	l.mu.Lock()
	l.replace(exact)
	l.mu.Unlock()
	if found, err := a.Ask(t.Context(), Value{Number: 2, Text: "K-1"}); err == nil || !strings.Contains(err.Error(), "generation 1, then 2") {
		t.Errorf("an answer of another table is given: %+v, %v", found, err)
	}
}
