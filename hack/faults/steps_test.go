package faults_test

import (
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

// step is one step of a session's way: how to come to just before it, what sets
// it off, which call and which write it makes, and how it all must end.
type step struct {
	name string
	// before brings the environment to where only the step is left to do.
	before func(*testEnv)
	// begin sets the step off. What was armed is met from here on.
	begin func(*testEnv)
	// call and write are what the step sends; nil where it sends none.
	call  func(*faultProxy, *call) bool
	write *aim
	// around matches every call by which the step is done or found out about.
	around func(*faultProxy, *call) bool
	// inPods: workers in pods read and stage. podCalls: the call is theirs.
	inPods, podCalls bool
	// answersNothing: a success of the call has no body.
	answersNothing bool
	// also is asserted at the end of a case whose fault did not end the session.
	also func(*testEnv)
	// ends is the outcome, "" where the object is gone.
	ends string
	// reached: the end stands before the step begins, so what is to happen in it is
	// waited for.
	reached bool
	// quiet: no fault meets the step; alone: nor does anything strike the manager.
	quiet, alone bool
	// live is the edition that lookups answer from in the end.
	live string
	// states are those of the object's own remote sessions, oldest first.
	states []edm.State
}

// on matches a write of the session whose status says so.
func on(is func(*v1alpha1.ExactMatchSession) bool) *aim { return written(patches, is) }

// aim is what a hook waits for: a write of one verb.
type aim struct {
	verb verb
	at   func(client.Object) bool
}

func (a *aim) meets(v verb, o client.Object) bool { return v == a.verb && a.at(o) }

// written matches a write of one kind's object.
func written[T client.Object](v verb, is func(T) bool) *aim {
	return &aim{v, func(o client.Object) bool {
		one, ok := o.(T)
		return ok && is(one)
	}}
}

func posts(suffix string) func(*faultProxy, *call) bool {
	return func(_ *faultProxy, c *call) bool {
		return c.isSession() && c.Method == http.MethodPost && strings.HasSuffix(c.URL.Path, suffix)
	}
}

func anySession(_ *faultProxy, c *call) bool { return c.isSession() }
func anyBlob(_ *faultProxy, c *call) bool    { return c.isBlob() }
func anySource(_ *faultProxy, c *call) bool  { return c.isSource() }

// nth matches the n-th call that matches.
func nth(n int, matches func(*call) bool) func(*faultProxy, *call) bool {
	return func(_ *faultProxy, c *call) bool {
		if n > 0 && matches(c) {
			n--
			return n == 0
		}
		return false
	}
}

func apply(w *testEnv) { w.Expect(kube.Create(w.ctx, w.sessionObject())).To(Succeed()) }

// applyUploaded brings the session to Uploaded.
func applyUploaded(change ...func(*v1alpha1.ExactMatchSession)) func(*testEnv) {
	return func(w *testEnv) {
		s := w.sessionObject()
		s.Spec.DesiredState = v1alpha1.DesiredUploaded
		for _, c := range change {
			c(s)
		}
		w.Expect(kube.Create(w.ctx, s)).To(Succeed())
		w.comesTo(v1alpha1.ReasonUploaded)
	}
}

// applyLive brings the session to Completed, and its store to know it.
func applyLive(w *testEnv) {
	apply(w)
	w.comesTo(v1alpha1.ReasonCompleted)
	w.statusIsTrue()
}

// showsStore matches a look at what the store shows.
func showsStore(_ *faultProxy, c *call) bool {
	return c.Method == http.MethodGet && storePath.MatchString(c.URL.Path)
}

// forward is a step on the straight way to a live table.
func forward(s step) step {
	if s.before == nil {
		s.before = func(*testEnv) {}
	}
	if s.begin == nil {
		s.begin = apply
	}
	s.ends, s.live, s.states = v1alpha1.ReasonCompleted, "new", []edm.State{edm.StateCompleted}
	return s
}

// steps makes the steps anew: some of them count.
func steps() []step { return slices.Concat(ownSteps(), reviewSteps(), podSteps()) }

// ownSteps are those of a session whose table the manager reads and uploads.
func ownSteps() []step {
	return []step{
		forward(step{
			name: "prepare", call: anySource, around: anySource,
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.ObservedSpecHash != "" }),
		}),
		forward(step{
			name:  "queue",
			write: written(patches, func(store *v1alpha1.ExactMatchDataStore) bool { return store.Status.ActiveSession != "" }),
		}),
		forward(step{
			name:  "plan",
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.Intent != nil && s.Status.ID == "" }),
		}),
		forward(step{
			name: "create", call: posts("/sessions"), around: anySession,
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.ID != "" }),
		}),
		forward(step{
			name: "adopt", before: loseCreate, begin: func(w *testEnv) { w.startManager("manager-2") },
			call: func(_ *faultProxy, c *call) bool {
				return c.Method == http.MethodGet && strings.HasSuffix(c.URL.Path, "/sessions")
			},
			around: anySession,
			write:  on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.ID != "" }),
		}),
		forward(step{
			name: "upload", call: nth(3, (*call).isBlock), around: anyBlob,
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.StatusReason() == v1alpha1.ReasonUploading }),
		}),
		forward(step{name: "seal", call: func(_ *faultProxy, c *call) bool { return c.isSeal() }, around: anyBlob}),
		forward(step{
			name: "commit", call: posts("/commit"), around: anySession, answersNothing: true,
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.CommitRequestedTime != nil }),
		}),
		forward(step{
			name: "watch", around: anySession,
			call: func(f *faultProxy, c *call) bool { return c.Method == http.MethodGet && f.committed[c.sessionID()] },
			write: on(func(s *v1alpha1.ExactMatchSession) bool {
				return s.Status.State == string(edm.StateProcessingInProgress) || s.Status.State == string(edm.StateCompleted)
			}),
		}),
		forward(step{
			name: "look", before: applyLive, begin: func(*testEnv) {}, reached: true, call: showsStore, around: showsStore,
		}),
		forward(step{
			name: "renew", before: holdUpload, begin: renewByToken, call: posts("/renew"), around: anySession,
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.ObservedRenewToken != "" }),
		}),
		{
			name: "cancel", before: applyUploaded(), call: posts("/cancel"), around: anySession, answersNothing: true,
			begin: func(w *testEnv) {
				w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCancelled })
			},
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return s.Status.CancelRequestedTime != nil }),
			ends:  v1alpha1.ReasonCancelled, live: "old", states: []edm.State{edm.StateCancelled},
		},
		{
			name: "supersede", before: applyUploaded(), call: posts("/cancel"), around: anySession, answersNothing: true,
			begin: func(w *testEnv) {
				w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.RowsPerBlock = rowsPerBlock + 1 })
			},
			write: on(func(s *v1alpha1.ExactMatchSession) bool { return len(s.Status.History) == 1 }),
			ends:  v1alpha1.ReasonUploaded, live: "old", states: []edm.State{edm.StateCancelled, edm.StateUploadCompleted},
		},
		{
			name:   "delete",
			before: applyUploaded(func(s *v1alpha1.ExactMatchSession) { s.Spec.DeletionPolicy = v1alpha1.SessionDeletionPolicyDelete }),
			begin:  func(w *testEnv) { w.Expect(kube.Delete(w.ctx, w.sessionObject())).To(Succeed()) },
			call:   func(_ *faultProxy, c *call) bool { return c.isSession() && c.Method == http.MethodDelete }, around: anySession, answersNothing: true,
			write: on(func(s *v1alpha1.ExactMatchSession) bool {
				return !s.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(s, v1alpha1.Finalizer)
			}),
			live: "old",
		},
	}
}

// loseCreate crashes the first manager between the effect of the create and the
// write of the id.
func loseCreate(w *testEnv) {
	crashed := make(chan struct{})
	w.proxy.aim(&callHook{matches: posts("/sessions"), do: func(f *faultProxy, _ http.ResponseWriter, c *call) {
		f.effect(c)
		f.shut()
		w.managers[0].crash()
		close(crashed)
		panic(http.ErrAbortHandler)
	}})
	apply(w)
	within(w.t, crashed, patience, "the create")
	within(w.t, w.managers[0].ended, patience, "the first manager")
	w.proxy.reopen()
}

// holdUpload brings the session into its upload and keeps it there.
func holdUpload(w *testEnv) {
	w.proxy.hold()
	apply(w)
	w.Eventually(func() (string, error) {
		s, err := w.get()
		return s.StatusReason(), err
	}).Should(Equal(v1alpha1.ReasonUploading), w.story)
}

// renewByToken asks for a renewal and lets the blocks go once it is had.
func renewByToken(w *testEnv) {
	w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.RenewToken = "now" })
	go func() {
		defer w.proxy.release()
		for w.ctx.Err() == nil {
			s, err := w.get()
			if apierrors.IsNotFound(err) || err == nil && (s.Status.ObservedRenewToken == "now" || s.Status.Outcome != "") {
				return
			}
			w.pause()
		}
	}()
}
