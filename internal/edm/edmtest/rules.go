package edmtest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
)

// otherRules are the fixture's columns under rules that are not the store's.
func (f *fixture) otherRules() []edm.Column {
	return []edm.Column{
		{Name: "ID", IsSearchable: true, IsCaseInsensitive: true, IgnoredDelimiters: []string{".", "-", "-"}}, {Name: "Email", IsSearchable: true}, {Name: "City"},
	}
}

// wantedUnder is a create of a session that carries its own columns.
func (f *fixture) wantedUnder(blocks int, columns []edm.Column) edm.Session {
	s := f.wanted(blocks)
	s.Fields, s.Columns = nil, columns
	return s
}

// publishUnder brings a table whose tokens are made under columns of its own.
func (f *fixture) publishUnder(t *testing.T, rows [][]string, columns []edm.Column) *edm.Session {
	t.Helper()
	blocks := f.blocksUnder(t, rows, columns)
	s, err := f.Service.Sessions().Create(f.ctx, f.store.ID, f.wantedUnder(len(blocks), columns), uuid.NewString())
	must(t, err)
	f.stageAll(t, s, blocks)
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
	return f.eventually(t, s.ID, edm.StateCompleted)
}

func (f *fixture) current(t *testing.T) *edm.DataStore {
	t.Helper()
	store, err := f.Service.Stores().Get(f.ctx, f.store.ID)
	must(t, err)
	return store
}

// changeRules gives the store columns under other rules than the fixture's.
func (f *fixture) changeRules(t *testing.T, columns []edm.Column) {
	t.Helper()
	_, err := f.Service.Stores().Update(f.ctx, edm.DataStore{ID: f.store.ID, Columns: columns})
	must(t, err)
}

// rulesTravel wants a table to keep the rules that its session was made under,
// whatever the store's record says before and after.
func rulesTravel(t *testing.T, f *fixture) {
	f.open(t)
	if !reflect.DeepEqual(f.store.Columns, edm.WithRules(f.store.Columns)) {
		t.Fatalf("the store shows %+v", f.store.Columns)
	}
	own := f.otherRules()
	made, err := f.Service.Sessions().Create(f.ctx, f.store.ID, f.wantedUnder(1, edm.WithRules(own)), uuid.NewString())
	must(t, err)
	if !slices.Equal(made.Fields, peopleColumns) || !reflect.DeepEqual(made.Columns, edm.WithRules(own)) {
		t.Fatalf("the session has %v, %+v", made.Fields, made.Columns)
	}
	if made.ExpirationDateTime == nil || !made.ExpirationDateTime.After(*made.CreationDateTime) {
		t.Fatalf("it expires %v", made.ExpirationDateTime)
	}
	published := f.publishUnder(t, people(5), own)
	if published.ExpirationDateTime != nil || !reflect.DeepEqual(published.Columns, edm.WithRules(own)) {
		t.Fatalf("completed %+v", published)
	}
	live := f.current(t).Live
	if live == nil || !reflect.DeepEqual(live.Columns, edm.WithRules(own)) || live.CompletionDateTime == nil || !live.CompletionDateTime.Equal(*published.CompletionDateTime) {
		t.Fatalf("live is %+v", live)
	}
	if store := f.current(t); !reflect.DeepEqual(store.Columns, f.store.Columns) {
		t.Fatalf("the store's own columns are %+v", store.Columns)
	}
}

// oldRules wants a create without columns to take the store's, as they are then.
func oldRules(t *testing.T, f *fixture) {
	f.open(t)
	blocks := f.blocks(t, people(3))
	s := f.session(t, len(blocks))
	f.changeRules(t, f.otherRules())
	if got := f.get(t, s.ID); !reflect.DeepEqual(got.Columns, f.store.Columns) {
		t.Fatalf("after the store's change the session has %+v", got.Columns)
	}
	f.stageAll(t, s, blocks)
	must(t, f.Service.Sessions().Commit(f.ctx, f.store.ID, s.ID, nil))
	f.eventually(t, s.ID, edm.StateCompleted)
	store := f.current(t)
	if !reflect.DeepEqual(store.Live.Columns, f.store.Columns) || !reflect.DeepEqual(store.Columns, edm.WithRules(f.otherRules())) {
		t.Fatalf("the store shows %+v, and live %+v", store.Columns, store.Live.Columns)
	}
}

func badColumns(t *testing.T, f *fixture) {
	f.open(t)
	for name, change := range map[string]func(*edm.Session){
		"no column of the store": func(s *edm.Session) { s.Columns[1].Name = "Mail" },
		"a column twice":         func(s *edm.Session) { s.Columns[1].Name = "ID" },
		"a delimiter of two":     func(s *edm.Session) { s.Columns[1].IgnoredDelimiters = []string{"ab"} },
		"another rulesId":        func(s *edm.Session) { s.Columns[1].RulesID = "v1:caseInsensitive:" },
		"another order":          func(s *edm.Session) { s.Fields = []string{"Email", "ID", "City"} },
		"fewer fields":           func(s *edm.Session) { s.Fields = []string{"ID", "Email"} },
	} {
		s := f.wantedUnder(1, f.otherRules())
		change(&s)
		_, err := f.Service.Sessions().Create(f.ctx, f.store.ID, s, uuid.NewString())
		if e := wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable); !strings.Contains(e.Message, "columns") {
			t.Errorf("the message for %s is %q", name, e.Message)
		}
	}
	_, err := f.Service.Stores().Update(f.ctx, edm.DataStore{ID: f.store.ID, Columns: []edm.Column{{Name: "ID", RulesID: "v1:caseInsensitive:"}}})
	if edm.ClassOf(err) != edm.Terminal {
		t.Errorf("a store's column with another rulesId: %v", err)
	}
}

// asked sends a match of the ID P-1 and the city beside it, after a change.
func (f *fixture) asked(t *testing.T, change func(*edm.MatchRequest)) (*edm.MatchResponse, error) {
	t.Helper()
	q := f.batch(f.question(t, "ID", "P-1", map[string]string{"City": "Lima"}))
	change(&q)
	return f.Service.Stores().Match(f.ctx, f.store.ID, q)
}

func (f *fixture) wantFound(t *testing.T, change func(*edm.MatchRequest)) {
	t.Helper()
	got, err := f.asked(t, change)
	must(t, err)
	if len(got.Answers) != 1 || got.Answers[0].Total != 1 {
		t.Fatalf("match says %+v", got)
	}
}

func (f *fixture) wantMismatch(t *testing.T, change func(*edm.MatchRequest), column string) {
	t.Helper()
	_, err := f.asked(t, change)
	if e := wantError(t, err, http.StatusUnprocessableEntity, edm.CodeRulesMismatch); !strings.Contains(e.Message, column) {
		t.Fatalf("the message does not name the column %s: %q", column, e.Message)
	}
}

// rulesOf names the rules of columns.
func rulesOf(columns []edm.Column) map[string]string {
	out := map[string]string{}
	for _, c := range columns {
		out[c.Name] = edm.RulesOf(c)
	}
	return out
}

// questionsNameRules wants a match under other rules than the live table's to be
// refused, and one under its rules to be answered, whatever the store's are.
func questionsNameRules(t *testing.T, f *fixture) {
	f.open(t)
	f.publish(t, people(5))
	under := func(column, rules string) func(*edm.MatchRequest) {
		return func(q *edm.MatchRequest) {
			q.RulesIDs = rulesOf(f.store.Columns)
			q.RulesIDs[column] = rules
		}
	}
	f.wantFound(t, under("ID", "v1:exact:"))
	f.wantMismatch(t, under("ID", "v1:caseInsensitive:"), "ID")
	f.wantMismatch(t, under("City", "v1:exact:002D"), "City")
	f.wantMismatch(t, under("Email", "v1:exact:"), "Email") // not asked for, and wrong all the same
	_, err := f.asked(t, under("Phone", "v1:exact:"))
	wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable)

	f.changeRules(t, []edm.Column{f.store.Columns[0], f.store.Columns[1], {Name: "City", IsCaseInsensitive: true}})
	f.wantFound(t, under("ID", "v1:exact:"))
	f.wantFound(t, func(q *edm.MatchRequest) { q.Questions[0].SameRow = nil })
	f.wantMismatch(t, func(*edm.MatchRequest) {}, "City")
	f.wantFound(t, func(q *edm.MatchRequest) { q.RulesIDs = map[string]string{"City": "v1:exact:"} })
	f.wantMismatch(t, func(q *edm.MatchRequest) { q.RulesIDs = map[string]string{"ID": "v1:exact:"} }, "City")

	f.changeRules(t, f.store.Columns[1:]) // ID leaves the store, and stays in the live table
	f.wantMismatch(t, func(*edm.MatchRequest) {}, "ID")
	f.wantFound(t, under("ID", "v1:exact:"))

	f.publishUnder(t, people(5), f.store.Columns[1:])
	_, err = f.asked(t, under("ID", "v1:exact:"))
	wantError(t, err, http.StatusUnprocessableEntity, edm.CodeUnprocessable)
}

// graphsLookup wants Graph's action, which names no rules, to be refused where
// those of a column that it searches or answers with have changed.
func graphsLookup(t *testing.T, f *fixture) {
	f.open(t)
	f.publish(t, people(5))
	ask := func(result ...string) error {
		_, err := f.Service.Stores().Lookup(f.ctx, f.store.ID, edm.LookupRequest{
			Key: f.key.ID(f.store.DisplayName).String(), Values: []string{f.token(t, "ID", "P-1")}, ResultColumnNames: result,
		})
		return err
	}
	must(t, ask("City"))
	columns := slices.Clone(f.store.Columns)
	columns[2] = edm.Column{Name: "City", IsCaseInsensitive: true}
	f.changeRules(t, columns)
	must(t, ask("ID", "Email"))
	wantError(t, ask("City"), http.StatusUnprocessableEntity, edm.CodeRulesMismatch)
	f.changeRules(t, []edm.Column{f.store.Columns[0], {Name: "Email", IsSearchable: true}, f.store.Columns[2]})
	wantError(t, ask(), http.StatusUnprocessableEntity, edm.CodeRulesMismatch)
	f.changeRules(t, []edm.Column{f.store.Columns[0], f.store.Columns[2]}) // a searched column left the store
	wantError(t, ask(), http.StatusUnprocessableEntity, edm.CodeRulesMismatch)
	wantError(t, ask("Phone"), http.StatusUnprocessableEntity, edm.CodeUnprocessable)
	f.changeRules(t, f.store.Columns)
	must(t, ask("City"))
}
