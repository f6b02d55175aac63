package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
)

// drawColumns are the columns of the model's tables under some rules. ID is always
// searchable.
func (w *stateMachine) drawColumns() []edm.Column {
	var out []edm.Column
	for _, name := range fields {
		c := edm.Column{Name: name, IsSearchable: name == "ID" || w.oneIn(1, "searchable"), IsCaseInsensitive: w.oneIn(2, "folded")}
		if w.oneIn(3, "delimiter") {
			c.IgnoredDelimiters = []string{"-"}
		}
		out = append(out, c)
	}
	return out
}

// pattern says which columns are searchable.
func pattern(columns []edm.Column) string {
	out := ""
	for _, c := range columns {
		out += fmt.Sprintf("%s:%t ", c.Name, c.IsSearchable)
	}
	return out
}

// setColumns notes what the store's columns are from now on.
func (s *modelStore) setColumns(columns []edm.Column) {
	s.columns, s.settled = edm.WithRules(columns), false
	s.patterns = append(s.patterns, s.columns)
}

// pending reports whether a commit may be processed still.
func (s *modelStore) pending() bool {
	return slices.ContainsFunc(s.sessions, func(m *modelSession) bool { return m.order > 0 && !m.done && !m.deleted })
}

// candidates are the sessions whose tables may be live where one of floor was.
func (s *modelStore) candidates(floor int) (out []*modelSession) {
	for _, m := range s.sessions {
		if m.order >= max(floor, 1) && !m.bad {
			out = append(out, m)
		}
	}
	return out
}

// served are the columns that a table may be served with, as to what is
// searchable: its own, and those that the store has had.
func (s *modelStore) served(m *modelSession) [][]edm.Column {
	return append(slices.Clone(s.patterns), m.columns)
}

// maySearch reports whether a table may be, and may not be, searched by a column.
func (s *modelStore) maySearch(m *modelSession, column int) (may, mayNot bool) {
	for _, columns := range s.served(m) {
		may = may || columns[column].IsSearchable
		mayNot = mayNot || !columns[column].IsSearchable
	}
	return may, mayNot
}

// checkColumns holds the columns of a store and of its live table against the
// model.
func (w *stateMachine) checkColumns(s *modelStore, got *edm.DataStore) {
	w.Helper()
	if !reflect.DeepEqual(got.Columns, s.columns) {
		w.Fatalf("the columns are %s; want %s", toJSON(got.Columns), toJSON(s.columns))
	}
	s.settled = !s.pending()
	if got.Live == nil {
		return
	}
	m := s.sessions[slices.IndexFunc(s.sessions, func(m *modelSession) bool { return m.id == got.Live.SessionID })]
	now := pattern(got.Live.Columns)
	if !slices.ContainsFunc(s.served(m), func(c []edm.Column) bool { return pattern(c) == now }) {
		w.Fatalf("live is searchable as %s; want as one of %s", now, toJSON(s.served(m)))
	}
	if before := s.indexed[got.Live.Generation]; before != "" && before != now {
		w.Fatalf("generation %d was searchable as %s and is as %s", got.Live.Generation, before, now)
	}
	s.indexed[got.Live.Generation] = now
	s.settled = s.settled && now == pattern(s.columns)
	if rules := rulesOf(got.Live.Columns); !reflect.DeepEqual(rules, rulesOf(m.columns)) || got.Live.CompletionDateTime == nil {
		w.Fatalf("live is %s; the session has %s", toJSON(got.Live), toJSON(m.columns))
	}
}

func rulesOf(columns []edm.Column) map[string]string {
	out := map[string]string{}
	for _, c := range columns {
		out[c.Name] = edm.RulesOf(c)
	}
	return out
}

func (w *stateMachine) getStore(s *modelStore) *op {
	return &op{name: "get store", store: s, send: func() reply { return w.api(http.MethodGet, "/"+s.id, "", nil) }, settle: func() {}, take: func(r reply) {
		w.want("get store", r, http.StatusOK, "")
		var got edm.DataStore
		if err := json.Unmarshal(r.body, &got); err != nil {
			w.Fatal(err)
		}
		w.checkStore(s, &got)
	}}
}

// changeStore changes rules and what is searchable.
func (w *stateMachine) changeStore(s *modelStore) *op {
	columns := w.drawColumns()
	o := &op{name: changesStore, store: s, send: func() reply {
		return w.api(http.MethodPatch, "/"+s.id, "", map[string]any{"columns": columns})
	}}
	o.take = func(r reply) {
		w.want(o.name, r, http.StatusOK, "")
		s.setColumns(columns)
	}
	o.settle = func() {
		var got edm.DataStore
		w.read("/"+s.id, &got)
		if reflect.DeepEqual(got.Columns, edm.WithRules(columns)) {
			s.setColumns(columns)
		}
	}
	return o
}

const changesStore = "change store"

// underRules draws the rules that a match names, of the table that was committed
// last, and tells whether a table answers it.
func (w *stateMachine) underRules(s *modelStore, last *modelSession) (named map[string]string, answers func(*modelSession) bool) {
	present := rulesOf(s.columns)
	switch {
	case last == nil || w.oneIn(1, "no rules"):
		return nil, func(m *modelSession) bool { return reflect.DeepEqual(rulesOf(m.columns), present) }
	case w.oneIn(2, "other rules"):
		named = map[string]string{"ID": "v1:exact:0041"}
		return named, func(*modelSession) bool { return false }
	}
	named = rulesOf(last.columns)
	return named, func(m *modelSession) bool { return reflect.DeepEqual(rulesOf(m.columns), named) }
}

// refusedForRules judges a 422 RulesMismatch: of the tables that may be live there
// is one that does not answer.
func (w *stateMachine) refusedForRules(s *modelStore, what string, floor int, answers func(*modelSession) bool) {
	w.Helper()
	tally.refused++
	if !slices.ContainsFunc(s.candidates(floor), func(m *modelSession) bool { return !answers(m) }) {
		w.Fatalf("%s is refused for its rules, and all tables that may be live have them; the store has %s", what, toJSON(s.columns))
	}
}

// How a commit is judged.
const (
	judgedByNobody = iota
	judgedAsShown
	judgedWrongly
)

// judged is a commit's If-Match.
type judged struct {
	how     int
	session string // that was live
	quiet   bool   // nothing could change what is live
}

func (w *stateMachine) drawJudged(s *modelStore) *judged {
	return &judged{how: rapid.SampledFrom([]int{judgedByNobody, judgedAsShown, judgedAsShown, judgedWrongly}).Draw(w.T, "judged"), quiet: s.settled && !s.pending()}
}

// commitAs commits as judged; what is live is read before.
func (w *stateMachine) commitAs(s *modelStore, m *modelSession, j *judged) reply {
	path := sessionsPath(s, m.id, "commit")
	if j.how == judgedByNobody {
		return w.api(http.MethodPost, path, "", nil)
	}
	// The read is not held: what is tested is the commit.
	r := w.unheld(http.MethodGet, w.url+"/beta/dataClassification/exactMatchDataStores/"+s.id)
	var got edm.DataStore
	if r.err != nil || json.Unmarshal(r.body, &got) != nil {
		return r
	}
	generation := int64(0)
	if got.Live != nil {
		generation, j.session = got.Live.Generation, got.Live.SessionID
	}
	if j.how == judgedWrongly {
		generation += 1000
	}
	return w.ifMatch(edm.LiveTag(generation)).api(http.MethodPost, path, "", nil)
}

// checkAhead wants no table ahead of a judged commit that its judge has not seen:
// sessions are indexed in the order of their commits.
func (w *stateMachine) checkAhead(s *modelStore, j *judged) {
	w.Helper()
	if j.how != judgedAsShown {
		return
	}
	seen := 0
	for _, m := range s.sessions {
		if m.id == j.session {
			seen = m.order
		}
	}
	for _, m := range s.candidates(seen + 1) {
		if m.done || !m.deleted {
			w.Fatalf("a commit was judged against the table of commit %d, and commit %d is ahead of it", seen, m.order)
		}
	}
}

// commitBeside commits another session right behind one.
func (w *stateMachine) commitBeside(one *op) {
	w.Helper()
	for _, m := range one.store.sessions {
		if m.unfinished() && m.sealed && !m.deleted {
			w.do(w.commit(one.store, m))
		}
	}
}

// checkReplaced wants a table to have replaced what it was judged against.
func (w *stateMachine) checkReplaced(s *modelStore, m *modelSession, generation int64) {
	w.Helper()
	if m.judged == nil || m.judged.how == judgedByNobody {
		return
	}
	before, known := s.generations[generation-1]
	if (known || generation == 1) && before != m.id && before != m.judged.session {
		w.Fatalf("generation %d of session %s replaced session %q and was judged against %q", generation, m.id, before, m.judged.session)
	}
	tally.judged++
}

// awaitSearchable reads a store until its live table is searchable as its columns
// are.
func (w *stateMachine) awaitSearchable(s *modelStore) {
	w.Helper()
	w.eventually("the live table is searchable as the store's columns", func() bool {
		w.do(w.getStore(s))
		return s.settled
	})
}
