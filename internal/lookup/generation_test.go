package lookup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

var (
	exact  = []edm.Column{{Name: "ID", IsSearchable: true}, {Name: "City"}}
	folded = []edm.Column{{Name: "ID", IsSearchable: true, IsCaseInsensitive: true, IgnoredDelimiters: []string{"-"}}, {Name: "City", IsCaseInsensitive: true}}
)

// liveStore is a data store that answers as the service does: under the rules of
// its live table alone, whose every row has the value K-1 and the city Oslo.
// before is called with the number of each question, from 0, while nobody asks.
type liveStore struct {
	edm.Stores
	before func(call int)
	batch  int // values of a call

	mu         sync.Mutex
	columns    []edm.Column // of the live table; the store's own are always exact
	generation int64
	calls      int
}

func (l *liveStore) replace(columns []edm.Column) {
	l.columns = columns
	l.generation++
}

func (l *liveStore) List(context.Context, edm.Query) ([]edm.DataStore, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := &edm.Live{SessionID: "s", Generation: l.generation, Columns: edm.WithRules(l.columns)}
	return []edm.DataStore{{ID: "1", DisplayName: "numbers", Columns: edm.WithRules(exact), Live: live}}, nil
}

func (l *liveStore) Match(_ context.Context, _ string, q edm.MatchRequest) (*edm.MatchResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before != nil {
		l.before(l.calls)
	}
	l.calls++
	for _, c := range l.columns {
		_, asked := q.Questions[0].SameRow[c.Name]
		if named := q.RulesIDs[c.Name]; (asked || c.Name == q.Questions[0].Column) && named != edm.RulesOf(c) {
			return nil, &edm.Error{Op: "match", Status: 422, Code: edm.CodeRulesMismatch, Message: "under other rules", Class: edm.Terminal}
		}
	}
	out := &edm.MatchResponse{Generation: l.generation, SessionID: "s", Answers: make([]edm.MatchAnswer, len(q.Questions))}
	for i, one := range q.Questions {
		if one.Token == l.token(l.columns[0], "K-1") {
			row := edm.MatchRow{Matched: map[string]int{}}
			if slices.Contains(one.SameRow["City"], l.token(l.columns[1], "Oslo")) {
				row.Matched["City"] = 0
			}
			out.Answers[i] = edm.MatchAnswer{Total: 1, Rows: []edm.MatchRow{row}}
		}
	}
	return out, nil
}

func (l *liveStore) token(c edm.Column, cell string) string {
	key, err := fingerprint.NewKey(testKey)
	if err != nil {
		panic(err) // of the test's own making
	}
	hasher, err := key.Hasher("numbers", schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
	if err != nil {
		panic(err)
	}
	token, err := tokenOf(hasher, cell)
	if err != nil {
		panic(err)
	}
	return token
}

func newLiveStore(columns []edm.Column) *liveStore {
	return &liveStore{columns: columns, generation: 1, batch: 1}
}

// asks asks for the same value many times and returns the answers.
func (l *liveStore) asks(t *testing.T, value string, times int) (answers []Found, err error) {
	t.Helper()
	a, err := Open(t.Context(), l, Query{Key: testKey, Store: "numbers", Column: "ID", SameRow: []Cell{{"City", "Oslo"}}})
	if err != nil {
		t.Fatal(err)
	}
	a.batch = l.batch
	err = a.Each(t.Context(), numbered(slices.Repeat([]string{value}, times)), func(f Found) error {
		answers = append(answers, f)
		return nil
	})
	for _, f := range answers {
		if f.Generation != answers[0].Generation {
			t.Errorf("value %d is answered by generation %d, the first one by %d", f.Value, f.Generation, answers[0].Generation)
		}
		if f.Total != 1 || !slices.Equal(f.Rows[0].Matched, []string{"City"}) {
			t.Errorf("value %d is answered by %+v", f.Value, f)
		}
	}
	return answers, err
}

// TestTheRulesAreTheLiveTables asks a table that was indexed under other rules
// than its store has now.
func TestTheRulesAreTheLiveTables(t *testing.T) {
	answers, err := newLiveStore(folded).asks(t, "k1", 20)
	if err != nil || len(answers) != 20 {
		t.Fatalf("%d answers, then %v", len(answers), err)
	}
}

// TestATableThatComesBeforeTheFirstAnswer is asked from the first value on.
func TestATableThatComesBeforeTheFirstAnswer(t *testing.T) {
	for name, next := range map[string][]edm.Column{"other rules": folded, "the same rules": exact} {
		t.Run(name, func(t *testing.T) {
			l := newLiveStore(exact)
			l.before = func(call int) {
				if call == 0 {
					l.replace(next)
				}
			}
			answers, err := l.asks(t, "K-1", 50)
			if err != nil || len(answers) != 50 || answers[0].Generation != 2 {
				t.Fatalf("%d answers, then %v", len(answers), err)
			}
		})
	}
}

// TestAnswersAreOfOneGeneration has a table come while answers are given: those
// that were are right, and the end says why there are no more.
func TestAnswersAreOfOneGeneration(t *testing.T) {
	for name, next := range map[string][]edm.Column{"other rules": folded, "the same rules": exact} {
		for _, batch := range []int{1, 7} {
			t.Run(fmt.Sprintf("%s, batches of %d", name, batch), func(t *testing.T) {
				l := newLiveStore(exact)
				l.batch = batch
				l.before = func(call int) {
					if call == 3*inFlight {
						l.replace(next)
					}
				}
				answers, err := l.asks(t, "K-1", 200)
				if err == nil || !strings.Contains(err.Error(), "generation 1, then 2") || len(answers) > 3*inFlight*batch || len(answers) < 2*inFlight || answers[0].Generation != 1 {
					t.Fatalf("%d answers, then %v", len(answers), err)
				}
			})
		}
	}
}

// TestEarlyAnswersAreAskedForAgain has a table come after some of the first
// questions at once were answered and before the first of them was.
func TestEarlyAnswersAreAskedForAgain(t *testing.T) {
	for range 50 {
		l := newLiveStore(exact)
		l.before = func(call int) {
			if call == inFlight/2 {
				l.replace(folded)
			}
		}
		answers, err := l.asks(t, "K-1", 100)
		switch {
		case err == nil && len(answers) == 100 && answers[0].Generation == 2:
		case err != nil && strings.Contains(err.Error(), "generation 1, then 2") && len(answers) <= inFlight:
		default:
			t.Fatalf("%d answers, then %v", len(answers), err)
		}
	}
}

// TestRulesThatNeverFitAreAnError asks a service that refuses whatever it shows.
func TestRulesThatNeverFitAreAnError(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*liveStore, int)
		words  string
	}{
		"a table of an earlier version": {func(l *liveStore, _ int) { l.columns = nil }, "RulesMismatch: under other rules"},
		"a new table at every question": {func(l *liveStore, call int) { l.replace([][]edm.Column{folded, exact}[call%2]) }, "replaced too often"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLiveStore(exact)
			refused := &refusing{liveStore: l, before: tc.before}
			a, err := Open(t.Context(), refused, Query{Key: testKey, Store: "numbers", Column: "ID"})
			if err != nil {
				t.Fatal(err)
			}
			numbers, err := each(t.Context(), a, count(1000))
			if err == nil || len(numbers) > 0 || ExitCode(err) != exitError || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%d answers, then %v", len(numbers), err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.calls > 10*inFlight {
				t.Errorf("%d questions were asked", l.calls)
			}
		})
	}
}

// refusing refuses every question for its rules, after a change.
type refusing struct {
	*liveStore
	before func(*liveStore, int)
}

func (r *refusing) Match(context.Context, string, edm.MatchRequest) (*edm.MatchResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before(r.liveStore, r.calls)
	r.calls++
	return nil, &edm.Error{Op: "match", Status: 422, Code: edm.CodeRulesMismatch, Message: "under other rules", Class: edm.Terminal}
}
