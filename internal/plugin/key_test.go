package plugin

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
)

// TestARotationGoesOnAsTheStoreDoes takes a real data store through the procedure: the
// next step is the one that is not done.
func TestARotationGoesOnAsTheStoreDoes(t *testing.T) {
	p := newPlace(t)
	store := captured(t, "testdata/completed.yaml").store
	p.create(store)
	guide := func(next string, code int) {
		t.Helper()
		out, _, err := p.run("key", "rotate", store.Name, "--to", "new-key")
		line := "done  "
		for text := range strings.Lines(out) {
			if strings.HasPrefix(text, "next") {
				line = text
			}
		}
		if ExitCode(err) != code || !strings.Contains(line, next) {
			t.Errorf("exit code %d, want %d; the next step is not %q:\n%s", ExitCode(err), code, next, out)
		}
	}
	say := func(change func(*v1alpha1.ExactMatchDataStoreStatus)) {
		t.Helper()
		store.Status.ObservedGeneration = store.Generation
		change(&store.Status)
		must(t, p.kube.Status().Update(t.Context(), store))
	}

	guide("Make the new key", exitNo)
	store.Spec.KeySecretRef.Name = "new-key"
	status := store.Status
	must(t, p.kube.Update(t.Context(), store))
	store.Status = status
	guide("operator has read it", exitNo)
	say(func(s *v1alpha1.ExactMatchDataStoreStatus) { s.KeyID = "0123456789abcdef" })
	guide("Upload the table again", exitNo)
	say(func(s *v1alpha1.ExactMatchDataStoreStatus) {
		s.Live.KeyID = s.KeyID
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: v1alpha1.ConditionLive, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonKeyChanged})
	})
	guide("Wait until lookups", exitNo)
	say(func(s *v1alpha1.ExactMatchDataStoreStatus) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: v1alpha1.ConditionLive, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPublished})
	})
	guide("done", 0)
}

// TestCommandsOfARotationAreWhole: the session that published the table is named, where
// the store knows it.
func TestCommandsOfARotationAreWhole(t *testing.T) {
	store := captured(t, "testdata/completed.yaml").store
	for _, s := range rotation(store, "new-key") {
		if s.done || s.command == "" || strings.Contains(s.command, "SESSION") {
			t.Errorf("%+v", s)
		}
	}
	store.Status.Live.SessionName, store.Status.Published.SessionName = "", ""
	if got := publishedBy(store); got != "SESSION" {
		t.Errorf("the session of a table that none of this store published is %q", got)
	}
}
