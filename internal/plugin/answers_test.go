package plugin

import (
	"os"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	core "exactmatch.dev/operator/internal/session"
)

// TestEveryReasonHasAnAnswer goes over the reasons of the API, so that none is added
// that `why` cannot explain.
func TestEveryReasonHasAnAnswer(t *testing.T) {
	source, err := os.ReadFile("../../api/v1alpha1/conditions.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s+Reason\w+\s+= (?:"|string\(failure\.)(\w+)`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 80 {
		t.Fatalf("only %d reasons in conditions.go", len(found))
	}
	known := map[string]bool{pending: true}
	for _, match := range found {
		reason := match[1]
		known[reason] = true
		a, decides := answers[reason]
		b, advises := advice[reason]
		if c, is := scheduleAnswers[reason]; is {
			b, advises = c, true
		}
		if !decides && !advises {
			t.Errorf("%s has no answer: add it to answers, to advice where no session ends with it, or to scheduleAnswers", reason)
		}
		if !decides {
			a = b
		}
		if a.waits == "" || a.who == "" {
			t.Errorf("%s: the answer does not say what is waited for, or who can act", reason)
		}
		if a.who != operator && len(a.how) == 0 && !advises {
			t.Errorf("%s: %s can act, but the answer names no command", reason, a.who)
		}
	}
	for _, of := range []map[string]answer{answers, advice, scheduleAnswers} {
		for reason := range of {
			if !known[reason] {
				t.Errorf("%s has an answer and is no reason of the API", reason)
			}
		}
	}
}

// shown is the reason that a session shows while a step is taken, or once it has ended
// with it. Those of a failure are that of the failure.
var shown = map[core.Step][]string{
	core.StepNone: {v1alpha1.ReasonSuspended}, core.StepPrepare: {v1alpha1.ReasonPreparing},
	core.StepRejectSource:    {v1alpha1.ReasonMissingColumn, v1alpha1.ReasonTooManyBadRows, v1alpha1.ReasonEmptyTable, v1alpha1.ReasonSourceNotFound},
	core.StepAlreadyUploaded: {v1alpha1.ReasonAlreadyUploaded}, core.StepHold: {v1alpha1.ReasonHeld},
	core.StepQueue: {v1alpha1.ReasonQueued}, core.StepPlan: {v1alpha1.ReasonPlanning}, core.StepCreate: {v1alpha1.ReasonCreating},
	core.StepResolve: {v1alpha1.ReasonAdopting}, core.StepUpload: {v1alpha1.ReasonUploading}, core.StepRename: {v1alpha1.ReasonUploading},
	core.StepRenew: {v1alpha1.ReasonRenewing}, core.StepCommit: {v1alpha1.ReasonCommitting, v1alpha1.ReasonQuotaExceeded}, core.StepWatch: {v1alpha1.ReasonProcessing},
	core.StepCancel: {v1alpha1.ReasonCancelling}, core.StepAbandon: {v1alpha1.ReasonCancelling, v1alpha1.ReasonStorageRefused},
	core.StepSupersede: {v1alpha1.ReasonSuperseding}, core.StepRestart: {v1alpha1.ReasonPlanning},
	core.StepDelete: {v1alpha1.ReasonDeleting}, core.StepRemoveFinalizer: {v1alpha1.ReasonDeleting},
	core.StepUploaded: {v1alpha1.ReasonUploaded}, core.StepCompleted: {v1alpha1.ReasonCompleted}, core.StepCancelled: {v1alpha1.ReasonCancelled},
	core.StepTooLate: {v1alpha1.ReasonTooLate}, core.StepCancelledRemotely: {v1alpha1.ReasonCancelledRemotely},
	core.StepFail: {v1alpha1.ReasonFailed, v1alpha1.ReasonExpired, v1alpha1.ReasonForgotten},
}

// TestEverySituationHasAnAnswer goes over the cells of the lifecycle's table.
func TestEverySituationHasAnAnswer(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| \*\*(\w+)\*\* \| (.*) \|$`).FindAllStringSubmatch(core.Markdown(), -1)
	if len(rows) != len(core.Situations) {
		t.Fatalf("read %d rows of the table of states, and there are %d situations", len(rows), len(core.Situations))
	}
	for _, row := range rows {
		for _, cell := range strings.Split(row[2], " | ") {
			reasons := shown[core.Step(cell)]
			if len(reasons) == 0 {
				t.Errorf("%s: this test does not know what a session shows while the step %s is taken", row[1], cell)
			}
			for _, reason := range reasons {
				if _, has := answers[reason]; !has {
					t.Errorf("%s, step %s: the reason %s has no answer", row[1], cell, reason)
				}
			}
		}
	}
}

// TestCommandsOfAnswersExist finds commands of the plugin that an answer names and the
// plugin does not have, and placeholders that nothing fills.
func TestCommandsOfAnswersExist(t *testing.T) {
	root, checked := Root(), 0
	for _, of := range []map[string]answer{answers, advice, scheduleAnswers} {
		for reason, a := range of {
			for _, command := range a.commands(names{"s", "n", "d", "a"}) {
				if strings.ContainsAny(command, "{}") {
					t.Errorf("%s: nothing fills a placeholder of %q", reason, command)
				}
				own, is := strings.CutPrefix(command, "kubectl exactmatch ")
				if !is {
					continue
				}
				checked++
				args := strings.Fields(own)
				c, rest, err := root.Find(args)
				if err != nil || c == root {
					t.Errorf("%s: %q is no command: %v", reason, command, err)
					continue
				}
				if err := c.ParseFlags(rest); err != nil {
					t.Errorf("%s: %q: %v", reason, command, err)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands were checked", checked)
	}
}

func TestAnUnknownReasonIsNotSilent(t *testing.T) {
	a := answerTo("ReasonOfALaterVersion")
	if !strings.Contains(a.waits, "ReasonOfALaterVersion") || len(a.how) == 0 {
		t.Errorf("a later version's reason gets the answer %+v", a)
	}
}

// TestHeldDependsOnWhatHolds: a guard is released by an approval; what changed since
// the upload is not.
func TestHeldDependsOnWhatHolds(t *testing.T) {
	for message, want := range map[string]struct {
		approve bool
		who     actor
	}{
		"RowDecrease: the table has 4 rows and the live one 10":    {true, approver},
		"ColumnsMissing: spec.fields omits SSN; RowDecrease: x":    {true, approver},
		"UnfindableCells (guards.maxUnfindablePercent 20): SSN":    {true, approver},
		"KeyChanged: the uploaded table was hashed with key 1":     {false, storeOwner},
		"ChecksumMismatch: spec.checksum is sha256:0; RowDecrease": {false, dataOwner},
		"RulesChanged: columns of ExactMatchDataStore":             {false, storeOwner},
	} {
		a := heldAnswer(withReason(v1alpha1.ReasonHeld, message))
		approves := strings.Contains(strings.Join(a.how, "\n"), " approve ")
		if approves != want.approve || a.who != want.who {
			t.Errorf("%s: approve is offered: %t, %s", message, approves, a.who)
		}
	}
}

// withReason is a finished session with a reason and its message.
func withReason(reason, message string) *v1alpha1.ExactMatchSession {
	o := &v1alpha1.ExactMatchSession{ObjectMeta: metav1.ObjectMeta{Name: "patients", Namespace: "team-a"}}
	o.Spec.DataStoreRef.Name = "patients"
	for _, kind := range []string{v1alpha1.ConditionFinished, v1alpha1.ConditionStalled} {
		o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message})
	}
	return o
}

// TestWhatElseIsKnownIsNoted: where the session comes from, and what its conditions
// advise.
func TestWhatElseIsKnownIsNoted(t *testing.T) {
	o := withReason(v1alpha1.ReasonCompleted, "the table is indexed and live")
	if notes := (&scene{session: o}).notes(); len(notes) > 0 {
		t.Errorf("nothing is to be noted, and it says %q", notes)
	}
	o.Labels = map[string]string{v1alpha1.ScheduleLabel: "nightly"}
	o.Status.Conditions = append(o.Status.Conditions,
		metav1.Condition{Type: v1alpha1.ConditionLive, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonReplacedBy, Message: "by later"},
		metav1.Condition{Type: v1alpha1.ConditionDataQuality, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonGood},
		metav1.Condition{Type: v1alpha1.ConditionSourceChanged, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSourceGone, Message: "gone"})
	text := strings.Join((&scene{session: o}).notes(), "\n")
	for _, words := range []string{"ExactMatchSchedule nightly", "Live is False (ReplacedBy)", "SourceChanged is True (Gone)"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not noted:\n%s", words, text)
		}
	}
	if strings.Contains(text, "DataQuality") {
		t.Errorf("what is good is noted:\n%s", text)
	}
}
