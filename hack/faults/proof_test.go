package faults_test

import (
	"encoding/base64"
	"fmt"
	"slices"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/schema"
)

// rowOf is one row of an edition, by its columns.
func rowOf(edition string, n int) map[string]string {
	return map[string]string{"ID": fmt.Sprintf("P-%d", n), "Email": fmt.Sprintf("%s%d@example.com", edition, n), "City": fmt.Sprintf("%s, %d", edition, n)}
}

// question asks for a row by one column, under the rules and the key of what is
// live, with the row's other columns beside it.
func (w *testEnv) question(live *edm.Live, by string, row map[string]string) edm.MatchRequest {
	w.mu.Lock()
	key, known := w.keys[live.KeyID]
	w.mu.Unlock()
	if !known {
		w.t.Errorf("the live table has the key %s, which no Secret ever had", live.KeyID)
	}
	one := edm.MatchQuestion{Column: by, SameRow: map[string][]string{}}
	q := edm.MatchRequest{KeyID: live.KeyID, RulesIDs: map[string]string{}}
	for _, c := range live.Columns {
		tokens, err := pipeline.Tokens(key, w.namespace, schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}, []string{row[c.Name]})
		if err != nil {
			w.t.Errorf("the token of a cell: %v", err)
			return q
		}
		q.RulesIDs[c.Name] = c.RulesID
		if text := base64.StdEncoding.EncodeToString(tokens[0][:]); c.Name == by {
			one.Token = text
		} else {
			one.SameRow[c.Name] = []string{text}
		}
	}
	q.Questions = []edm.MatchQuestion{one}
	return q
}

// live is what the service shows live now.
func (w *testEnv) live() *edm.Live {
	w.t.Helper()
	store, err := w.direct.Stores().Get(w.ctx, w.store.Status.ID)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(store.Live).NotTo(BeNil(), "a table is live")
	return store.Live
}

// publishedIsReviewed: what is live is what was prepared, guarded and reviewed: the
// session's, or the old table where nothing replaced that.
func (w *testEnv) publishedIsReviewed(edition string) {
	w.t.Helper()
	live := w.live()
	if edition == "old" {
		w.Expect(live.SessionID).To(Equal(w.old.ID))
		w.Expect(live.ContentKey).To(Equal(w.old.ContentKey))
		w.Expect(live.KeyID).To(Equal(w.old.KeyID))
		w.Expect(live.Rows).To(BeEquivalentTo(tableRows))
		return
	}
	s := w.publisher(live)
	w.Expect(live.ContentKey).To(Equal(s.Status.ContentKey), "it was prepared")
	w.Expect(live.KeyID).To(Equal(s.Status.KeyID))
	w.Expect(s.Status.Rows).To(HaveValue(Equal(live.Rows)))
	w.Expect(live.Rows).To(BeEquivalentTo(w.newRows))
	if s.Status.Outcome == v1alpha1.ReasonCompleted {
		w.isAsIntended(live, s.Status.Intent)
	}
	// Which columns are searchable may have changed since the upload.
	w.Expect(live.ContentKey).To(BeElementOf(w.contentOf(live, s, isSearchable), w.contentOf(live, s, wasSearchable)), "it is what the source holds, under these rules")
}

// isAsIntended: what is live has the content and the rules of the intent.
func (w *testEnv) isAsIntended(live *edm.Live, intent *v1alpha1.CreateIntent) {
	w.t.Helper()
	w.Expect(intent).NotTo(BeNil())
	w.Expect(live.ContentKey).To(Equal(intent.ContentKey))
	var rules []v1alpha1.ColumnRules
	for _, c := range live.Columns {
		rules = append(rules, v1alpha1.ColumnRules{Name: c.Name, RulesID: c.RulesID})
	}
	w.Expect(rules).To(Equal(intent.Rules))
}

// publisher is the object whose session is live.
func (w *testEnv) publisher(live *edm.Live) *v1alpha1.ExactMatchSession {
	w.t.Helper()
	list := &v1alpha1.ExactMatchSessionList{}
	w.Expect(kube.List(w.ctx, list, client.InNamespace(w.namespace))).To(Succeed())
	at := slices.IndexFunc(list.Items, func(s v1alpha1.ExactMatchSession) bool {
		return s.Status.ID == live.SessionID || s.Status.Outcome == v1alpha1.ReasonAlreadyUploaded && s.Status.ContentKey == live.ContentKey
	})
	w.Expect(at).To(BeNumerically(">=", 0), "the live table is of session %s, and no object has that\n%s", live.SessionID, w.story())
	return &list.Items[at]
}

// contentOf reads the new table by itself, under the live rules.
func (w *testEnv) contentOf(live *edm.Live, s *v1alpha1.ExactMatchSession, searchable func(edm.Column) bool) string {
	w.t.Helper()
	plan := w.plan("new")
	plan.Columns, plan.RowsPerBlock = nil, int(s.Spec.RowsPerBlock)
	w.mu.Lock()
	plan.Key = w.keys[live.KeyID]
	w.mu.Unlock()
	for _, c := range live.Columns {
		plan.Columns = append(plan.Columns, schema.Column{Name: c.Name, IsSearchable: searchable(c), IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
	}
	prepared, err := pipeline.Prepare(w.ctx, plan)
	w.Expect(err).NotTo(HaveOccurred())
	return prepared.ContentKey
}

func isSearchable(c edm.Column) bool { return c.IsSearchable }

// wasSearchable is whether a column was searchable when the case began.
func wasSearchable(c edm.Column) bool {
	at := slices.IndexFunc(columns, func(one schema.Column) bool { return one.Name == c.Name })
	return at >= 0 && columns[at].IsSearchable
}

// lookupsAreTrue: rows are found with their whole row, a row that the table does not have is not, and
// a question under other rules or another key is refused instead of answered.
func (w *testEnv) lookupsAreTrue(edition string) {
	w.t.Helper()
	live := w.live()
	ask := func(q edm.MatchRequest) (edm.MatchAnswer, error) {
		got, err := w.direct.Stores().Match(w.ctx, w.store.Status.ID, q)
		if err != nil {
			return edm.MatchAnswer{}, err
		}
		return got.Answers[0], nil
	}
	for _, n := range []int{0, 7, w.rowsOf(edition) - 1} {
		for _, c := range live.Columns {
			if !c.IsSearchable {
				continue
			}
			got, err := ask(w.question(live, c.Name, rowOf(edition, n)))
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(got.Rows).To(HaveLen(1), "row %d of the %s table by %s", n, edition, c.Name)
			w.Expect(got.Rows[0].Row).To(BeEquivalentTo(n))
			w.Expect(got.Rows[0].Matched).To(HaveLen(len(live.Columns)-1), "row %d by %s", n, c.Name)
		}
	}
	for by, row := range map[string]map[string]string{"ID": rowOf(edition, tableRows), "Email": rowOf("no", 7)} {
		got, err := ask(w.question(live, by, row))
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(got.Total).To(BeZero(), "a row that the table does not have is not found by %s", by)
	}
	q := w.question(live, "ID", rowOf(edition, 7))
	q.RulesIDs["ID"] = "v1:caseInsensitive:u+007e"
	_, err := ask(q)
	w.Expect(edm.HasCode(err, edm.CodeRulesMismatch)).To(BeTrue(), "a question under other rules is refused: %v", err)
	q = w.question(live, "ID", rowOf(edition, 7))
	q.KeyID = "0123456789abcdef"
	_, err = ask(q)
	w.Expect(edm.HasCode(err, edm.CodeKeyMismatch)).To(BeTrue(), "a question under another key is refused: %v", err)
}

func (w *testEnv) rowsOf(edition string) int {
	if edition == "new" {
		return w.newRows
	}
	return tableRows
}

// statusIsTrue: within a resync every object says of the service what the service
// says now, in conditions that kstatus reads.
func (w *testEnv) statusIsTrue() {
	w.t.Helper()
	w.Eventually(func(g Gomega) {
		w.storeIsTrue(g)
		w.sessionIsTrue(g)
	}).Should(Succeed(), w.story)
}

func (w *testEnv) storeIsTrue(g Gomega) {
	store, agent := w.storeObject(), w.agentObject()
	g.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
	g.Expect(kube.Get(w.ctx, client.ObjectKeyFromObject(agent), agent)).To(Succeed())
	kstatus(g, agent.Generation, agent.Status.ObservedGeneration, agent.Status.Conditions)
	kstatus(g, store.Generation, store.Status.ObservedGeneration, store.Status.Conditions)
	g.Expect(says(store.Status.Conditions, v1alpha1.ConditionReady)).To(Equal("True Ready"))
	g.Expect(store.Status.KeyID).To(Equal(w.currentKey()))
	shown, err := w.direct.Stores().Get(w.ctx, store.Status.ID)
	g.Expect(err).NotTo(HaveOccurred())
	live, told := shown.Live, store.Status.Live
	g.Expect(live).NotTo(BeNil())
	g.Expect(told).NotTo(BeNil(), "status.live of the store")
	g.Expect([]any{told.RemoteID, told.ContentKey, told.KeyID, told.Rows, told.Generation}).To(
		Equal([]any{live.SessionID, live.ContentKey, live.KeyID, live.Rows, live.Generation}), "status.live of the store")
	for i, c := range live.Columns {
		g.Expect(told.Columns[i]).To(Equal(v1alpha1.LiveColumn{Name: c.Name, RulesID: c.RulesID, IsSearchable: c.IsSearchable}))
	}
	g.Expect(says(store.Status.Conditions, v1alpha1.ConditionLive)).To(Equal("True Published"))
}

func (w *testEnv) currentKey() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keyID
}

func (w *testEnv) sessionIsTrue(g Gomega) {
	s, err := w.get()
	if apierrors.IsNotFound(err) {
		return
	}
	g.Expect(err).NotTo(HaveOccurred())
	kstatus(g, s.Generation, s.Status.ObservedGeneration, s.Status.Conditions)
	g.Expect(says(s.Status.Conditions, v1alpha1.ConditionFinished)).To(HavePrefix("True "))
	w.mirrorIsTrue(g, s)
	store, err := w.direct.Stores().Get(w.ctx, w.store.Status.ID)
	g.Expect(err).NotTo(HaveOccurred())
	told := says(s.Status.Conditions, v1alpha1.ConditionLive)
	switch is := store.Live.SessionID == s.Status.ID; {
	case is:
		g.Expect(told).To(Or(Equal("True Published"), Equal("True Verified")), "Live of the session")
		// Where the table was indexed again, the generation has grown since.
		g.Expect(s.Status.LiveGeneration).To(And(BeNumerically(">", 0), BeNumerically("<=", store.Live.Generation)))
	case s.Status.Outcome == v1alpha1.ReasonAlreadyUploaded:
		g.Expect(told).To(Equal("True Published"), "Live of the session")
		g.Expect(store.Live.ContentKey).To(Equal(s.Status.ContentKey))
	case s.Status.Outcome == v1alpha1.ReasonCompleted:
		g.Expect(told).To(Equal("False ReplacedBy"), "Live of the session")
	default:
		g.Expect(told).To(BeEmpty(), "nothing of the session was ever live")
	}
}

// mirrorIsTrue: the mirrored properties are the service's.
func (w *testEnv) mirrorIsTrue(g Gomega, s *v1alpha1.ExactMatchSession) {
	if s.Status.ID == "" {
		return
	}
	got, err := w.direct.Sessions().Get(w.ctx, w.store.Status.ID, s.Status.ID)
	if edm.IsNotFound(err) && s.Status.Outcome == v1alpha1.ReasonCancelled {
		return // the service forgot what was to be cancelled, and the last state that it gave stays
	}
	g.Expect(err).NotTo(HaveOccurred(), "the session of status.id")
	g.Expect(s.Status.State).To(Equal(string(got.State)))
	g.Expect(s.Status.TotalBlockCount).To(Equal(got.TotalBlockCount))
	g.Expect(s.Status.RemainingBlockCount).To(Equal(got.RemainingBlockCount))
	g.Expect(s.Status.RemainingJobCount).To(Equal(got.RemainingJobCount))
	g.Expect(s.Status.Checksum).To(Equal(got.Checksum))
	if s.Status.Outcome == v1alpha1.ReasonUploaded || s.Status.Outcome == v1alpha1.ReasonCompleted {
		g.Expect(got.ContentKey).To(Equal(s.Status.ContentKey), "what was reached is of the content that was read last")
		g.Expect(got.RowsPerBlock).To(HaveValue(Equal(s.Spec.RowsPerBlock)))
	}
}
