package plugin

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

var whyLong = `Say what a session waits for, until when, who can unblock it, and by which command.

The answer follows from the session's conditions and status, and from the data store, the upload
agent and the session ahead of it, if you may read them.` + fmt.Sprintf(exitCodes,
	"nobody has to act: the session is as it should be, or the operator continues by itself",
	"somebody has to act")

const whyExample = `  kubectl exactmatch why patients
  kubectl exactmatch why patients -o json | jq -r '.commands[]'`

func whyCommand(f *cluster) *cobra.Command {
	return inquiry(f, cobra.Command{
		Use: "why NAME", Short: "Say what a session waits for, and who can unblock it", Long: whyLong, Example: whyExample,
	}, func(ctx context.Context, kube client.Client, namespace, name string) (finding, error) {
		found, err := look(ctx, kube, namespace, name)
		if err != nil {
			return nil, err
		}
		return found.why(time.Now()), nil
	})
}

// scene is a session and what it depends on; nil where it is not there, or may not be
// read.
type scene struct {
	session *v1alpha1.ExactMatchSession
	store   *v1alpha1.ExactMatchDataStore
	agent   *v1alpha1.ExactMatchUploadAgent
	ahead   *v1alpha1.ExactMatchSession // the one that is admitted
}

// look gets a session and what it depends on.
func look(ctx context.Context, kube client.Client, namespace, name string) (*scene, error) {
	o, err := session(ctx, kube, namespace, name)
	if err != nil {
		return nil, err
	}
	s := &scene{session: o}
	s.store, err = readable(ctx, kube, namespace, o.Spec.DataStoreRef.Name, &v1alpha1.ExactMatchDataStore{})
	if err != nil || s.store == nil {
		return s, err
	}
	if s.agent, err = readable(ctx, kube, namespace, s.store.Spec.UploadAgentRef.Name, &v1alpha1.ExactMatchUploadAgent{}); err != nil {
		return nil, err
	}
	if active := s.store.Status.ActiveSession; active != "" && active != name {
		s.ahead, err = readable(ctx, kube, namespace, active, &v1alpha1.ExactMatchSession{})
	}
	return s, err
}

// readable gets an object, or nil where it is not there or may not be read.
func readable[T client.Object](ctx context.Context, kube client.Client, namespace, name string, o T) (T, error) {
	err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		var none T
		return none, nil
	}
	return o, err
}

// Why is the answer to what a session waits for.
type Why struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	DataStore string   `json:"dataStore"`
	Status    string   `json:"status"`
	Verdict   Verdict  `json:"verdict"`
	Since     string   `json:"since,omitempty"`
	WaitsFor  string   `json:"waitsFor"`
	Message   string   `json:"message,omitempty"`
	Until     string   `json:"until"`
	Who       string   `json:"who"`
	Commands  []string `json:"commands,omitempty"`
	// Notes are what other objects and advisory conditions say.
	Notes []string `json:"notes,omitempty"`
}

// why answers for a session as it is now.
func (s *scene) why(now time.Time) *Why {
	o := s.session
	a := s.answer()
	w := &Why{
		Namespace: o.Namespace, Name: o.Name, DataStore: o.Spec.DataStoreRef.Name, Status: reasonOf(o), Verdict: verdictOf(o),
		WaitsFor: a.waits, Message: messageOf(o), Until: s.until(now), Who: string(a.who), Commands: a.commands(s.names()), Notes: s.notes(),
	}
	if c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionFinished); c != nil {
		w.Since = clock(c.LastTransitionTime.Time)
	}
	return w
}

// answer is that of the reason, or of what it passes on.
func (s *scene) answer() answer {
	o := s.session
	switch reason := reasonOf(o); {
	case o.Status.ObservedGeneration != o.Generation:
		return working("the operator to see the last change of spec")
	case reason == v1alpha1.ReasonHeld:
		return heldAnswer(o)
	case reason == v1alpha1.ReasonQueued && s.aheadStalled():
		a := (&scene{session: s.ahead, store: s.store, agent: s.agent}).answer()
		a.waits = "another session of the data store, " + s.ahead.Name + ", which waits for " + a.waits
		return a
	default:
		return answerTo(s.deepest(reason))
	}
}

// deepest is the reason of the data store, or of its upload agent, where the session
// only passes it on.
func (s *scene) deepest(reason string) string {
	passedOn := reason == v1alpha1.ReasonDataStoreNotReady || reason == v1alpha1.ReasonQueued && s.ahead == nil
	if passedOn && s.store != nil {
		reason = notReady(s.store.Status.Conditions, reason)
	}
	if reason != v1alpha1.ReasonDataStoreNotReady && reason != v1alpha1.ReasonUploadAgentNotReady || s.agent == nil {
		return reason
	}
	return notReady(s.agent.Status.Conditions, reason)
}

// notReady is the reason why an object is not ready, or else the one that was given.
func notReady(conditions []metav1.Condition, otherwise string) string {
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c != nil && c.Status != metav1.ConditionTrue {
		return c.Reason
	}
	return otherwise
}

// aheadStalled reports whether the session ahead waits for somebody.
func (s *scene) aheadStalled() bool {
	return s.ahead != nil && verdictOf(s.ahead) != Working
}

func (s *scene) names() names {
	n := names{session: s.session.Name, namespace: s.session.Namespace, store: s.session.Spec.DataStoreRef.Name, agent: "AGENT"}
	if reasonOf(s.session) == v1alpha1.ReasonQueued && s.aheadStalled() {
		n.session = s.ahead.Name
	}
	if s.store != nil {
		n.agent = s.store.Spec.UploadAgentRef.Name
	}
	return n
}

// notes are what keeps the objects that the session depends on, and its advisory
// conditions that are not as they should be.
func (s *scene) notes() (notes []string) {
	if s.store != nil {
		notes = append(notes, noteOf("ExactMatchDataStore", s.store, s.store.Status.Conditions)...)
	}
	if s.agent != nil {
		notes = append(notes, noteOf("ExactMatchUploadAgent", s.agent, s.agent.Status.Conditions)...)
	}
	if s.ahead != nil && reasonOf(s.session) == v1alpha1.ReasonQueued {
		notes = append(notes, fmt.Sprintf("ExactMatchSession %s is admitted: %s: %s", s.ahead.Name, reasonOf(s.ahead), messageOf(s.ahead)))
	}
	if of := s.session.Labels[v1alpha1.ScheduleLabel]; of != "" {
		notes = append(notes, fmt.Sprintf("ExactMatchSchedule %s made the session, and makes another one at its next time", of))
	}
	for _, c := range s.session.Status.Conditions {
		if isAdvisory(c) {
			notes = append(notes, fmt.Sprintf("%s is %s (%s): %s", c.Type, c.Status, c.Reason, c.Message))
		}
	}
	return notes
}

// noteOf is why an object is not ready, where it is not.
func noteOf(kind string, o client.Object, conditions []metav1.Condition) []string {
	c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	if c == nil || c.Status == metav1.ConditionTrue {
		return nil
	}
	return []string{fmt.Sprintf("%s %s is not ready: %s: %s", kind, o.GetName(), c.Reason, c.Message)}
}

// isAdvisory reports whether a condition says something beside the verdict that
// people should know.
func isAdvisory(c metav1.Condition) bool {
	switch c.Type {
	case v1alpha1.ConditionLive, v1alpha1.ConditionDataQuality, v1alpha1.ConditionBlocksVerified, v1alpha1.ConditionParallel:
		return c.Status == metav1.ConditionFalse
	case v1alpha1.ConditionSourceChanged:
		return c.Status == metav1.ConditionTrue
	}
	return false
}

// print prints the answer, which is also the exit code.
func (w *Why) print(out io.Writer, output string) error {
	if output != "" {
		if err := encode(out, output, w); err != nil {
			return err
		}
		return w.exit()
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, text string) { fmt.Fprintf(t, "%s\t%s\n", name, text) }
	line("Session:", w.Namespace+"/"+w.Name+" of ExactMatchDataStore "+w.DataStore)
	since := ""
	if w.Since != "" {
		since = " since " + w.Since
	}
	line("Status:", fmt.Sprintf("%s (%s)%s", w.Status, w.Verdict, since))
	line("Waits for:", w.WaitsFor)
	line("Until:", w.Until)
	line("Who:", w.Who)
	for i, command := range w.Commands {
		line(head("Command:", i), command)
	}
	line("Message:", cmp.Or(w.Message, "-"))
	for i, note := range w.Notes {
		line(head("Note:", i), note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return w.exit()
}

// head names the first of several lines.
func head(name string, i int) string {
	if i == 0 {
		return name
	}
	return ""
}

// exit is the no of a session that needs somebody.
func (w *Why) exit() error {
	if w.Verdict == Stalled {
		return &noError{}
	}
	return nil
}
