// Package executortest is the suite that every executor.Executor passes.
package executortest

import (
	"testing"
	"time"

	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// Place is an executor under test.
type Place struct {
	Executor executor.Executor
	// Work returns the work of an owner on a table, which the executor can open.
	Work func(owner, text string) executor.Work
	// Writes counts what the executor has changed outside its process; nil where it
	// changes nothing there.
	Writes func() int
}

// Run runs the suite. open makes an executor with nothing at work.
func Run(t *testing.T, open func(t *testing.T) Place) {
	for name, test := range map[string]func(*suite){
		"nothing is at work":                        (*suite).nothing,
		"a table is read and its blocks are staged": (*suite).way,
		"a table that cannot be read":               (*suite).unreadable,
		"an upload that fails is tried again":       (*suite).retry,
		"work of another version":                   (*suite).others,
		"a pin that the table satisfies":            (*suite).pin,
		"what was read is forgotten":                (*suite).everything,
		"an owner's work is its own":                (*suite).owners,
	} {
		t.Run(name, func(t *testing.T) { test(&suite{T: t, Place: open(t), sink: sink.New(t)}) })
	}
}

type suite struct {
	*testing.T
	Place
	sink *sink.Sink
}

// look is one Status, which changes nothing.
func (s *suite) look(w executor.Work) executor.Status {
	s.Helper()
	writes := 0
	if s.Writes != nil {
		writes = s.Writes()
	}
	status, err := s.Executor.Status(s.Context(), w)
	testkit.Must(s, err)
	if s.Writes != nil && s.Writes() != writes {
		s.Fatalf("to look at a work that is %q wrote %d times", status.Phase, s.Writes()-writes)
	}
	return status
}

// reach looks until a work has one of the phases.
func (s *suite) reach(w executor.Work, phases ...executor.Phase) executor.Status {
	s.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		status := s.look(w)
		for _, phase := range phases {
			if status.Phase == phase {
				return status
			}
		}
		if time.Now().After(deadline) {
			s.Fatalf("the work stays %q (%s, %v), want one of %q", status.Phase, status.Note, status.Err, phases)
		}
	}
}

// read has the table read, and what was reported kept.
func (s *suite) read(w executor.Work) *pipeline.Prepared {
	s.Helper()
	testkit.Must(s, s.Executor.Prepare(s.Context(), w))
	testkit.Must(s, s.Executor.Prepare(s.Context(), w)) // as every pass may
	s.reach(w, executor.PhaseReported, executor.PhasePrepared)
	testkit.Must(s, s.Executor.Prepare(s.Context(), w))
	return s.reach(w, executor.PhasePrepared).Prepared
}

// open opens a remote session for what was read.
func (s *suite) open(w executor.Work, prepared *pipeline.Prepared) executor.Work {
	s.Helper()
	one := s.sink.Open(prepared, w.Plan)
	to, left := sink.Target(one), prepared.Blocks
	w.Parallelism = 1
	w.Remote = &executor.Remote{ID: one.ID, ContentKey: prepared.ContentKey, HTTP: to.HTTP, URI: to.URI, Remaining: &left}
	return w
}

func (s *suite) nothing() {
	w := s.Work("one", tables.CSV(10))
	if got := s.look(w); got.Phase != executor.PhaseNone || got.Others != 0 || got.Prepared != nil {
		s.Errorf("it is %+v", got)
	}
	for _, extent := range []executor.Extent{executor.Others, executor.Running, executor.Everything} {
		if _, err := s.Executor.Stop(s.Context(), w, extent); err != nil {
			s.Errorf("to stop %s: %v", extent, err)
		}
	}
}

func (s *suite) way() {
	w := s.Work("one", tables.CSV(100))
	got, want := s.read(w), tables.Prepare(s, tables.Plan(tables.CSV(100), 10))
	if got.ContentKey != want.ContentKey || got.Rows != 100 || got.Blocks != 10 {
		s.Fatalf("%d rows in %d blocks with the key %s, want %s", got.Rows, got.Blocks, got.ContentKey, want.ContentKey)
	}
	w = s.open(w, got)
	testkit.Must(s, s.Executor.Upload(s.Context(), w, got))
	testkit.Must(s, s.Executor.Upload(s.Context(), w, got))
	status := s.reach(w, executor.PhaseStaged, executor.PhaseUploaded)
	if sent := s.sink.Sent(); sent != 10 || status.Prepared.ContentKey != want.ContentKey {
		s.Errorf("%d blocks were sent of the content %s", sent, status.Prepared.ContentKey)
	}
	testkit.Must(s, s.Executor.Upload(s.Context(), w, got)) // is done already
	if now := s.look(w); now.Phase != status.Phase || now.Err != nil {
		s.Errorf("it is %q afterwards: %v", now.Phase, now.Err)
	}
}

func (s *suite) unreadable() {
	w := s.Work("one", "ID\n1\n")
	testkit.Must(s, s.Executor.Prepare(s.Context(), w))
	failed := s.reach(w, executor.PhaseFailed)
	testkit.WantFailure(s, failed.Err, failure.MissingColumn, false)
	if failed.Prepared != nil {
		s.Errorf("it was read: %+v", failed.Prepared)
	}
	_, err := s.Executor.Stop(s.Context(), w, executor.Running)
	testkit.Must(s, err)
	s.reach(w, executor.PhaseNone)
}

func (s *suite) retry() {
	w := s.Work("one", tables.CSV(100))
	prepared := s.read(w)
	w = s.open(w, prepared)
	s.sink.SpoilOnce(sink.IsBlock, sink.RefuseStorage(400, "InvalidInput"))
	testkit.Must(s, s.Executor.Upload(s.Context(), w, prepared))
	failed := s.reach(w, executor.PhaseFailed)
	testkit.WantFailure(s, failed.Err, failure.StorageRefused, false)
	testkit.Must(s, s.Executor.Retry(s.Context(), w))
	if again := s.look(w); again.Phase != executor.PhasePrepared || again.Prepared.ContentKey != prepared.ContentKey {
		s.Fatalf("it is %+v: what was read serves the next upload", again)
	}
	testkit.Must(s, s.Executor.Upload(s.Context(), w, prepared))
	s.reach(w, executor.PhaseStaged, executor.PhaseUploaded)
}

func (s *suite) others() {
	before := s.Work("one", tables.CSV(100))
	after := before
	after.Version = "after"
	testkit.Must(s, s.Executor.Prepare(s.Context(), before))
	for _, w := range []executor.Work{after, {Owner: before.Owner}} {
		if got := s.look(w); got.Phase != executor.PhaseNone || got.Others != 1 {
			s.Errorf("beside one other work it is %+v", got)
		}
	}
	_, err := s.Executor.Stop(s.Context(), before, executor.Others)
	testkit.Must(s, err)
	if got := s.look(after); got.Others != 1 {
		s.Errorf("to end the others of a work ended it: %+v", got)
	}
	_, err = s.Executor.Stop(s.Context(), after, executor.Others)
	testkit.Must(s, err)
	if got := s.look(after); got.Others != 0 {
		s.Errorf("the other work is still there: %+v", got)
	}
	s.read(after)
}

func (s *suite) pin() {
	w := s.Work("one", tables.CSV(100))
	prepared := s.read(w)
	w.Plan.Pin = prepared.Checksum
	if got := s.look(w); got.Phase != executor.PhasePrepared {
		s.Errorf("under a pin that the table satisfies it is %q", got.Phase)
	}
	w.Plan.Pin = "sha256:another"
	if got := s.look(w); got.Phase != executor.PhaseNone || got.Prepared != nil {
		s.Errorf("under another pin it is %+v", got)
	}
	testkit.Must(s, s.Executor.Prepare(s.Context(), w))
	testkit.WantFailure(s, s.reach(w, executor.PhaseFailed).Err, failure.ChecksumMismatch, false)
}

func (s *suite) everything() {
	w := s.Work("one", tables.CSV(100))
	prepared := s.read(w)
	w = s.open(w, prepared)
	testkit.Must(s, s.Executor.Upload(s.Context(), w, prepared))
	s.reach(w, executor.PhaseStaged, executor.PhaseUploaded)
	_, err := s.Executor.Stop(s.Context(), w, executor.Everything)
	testkit.Must(s, err)
	if got := s.look(w); got.Phase != executor.PhaseNone || got.Prepared != nil || got.Others != 0 {
		s.Errorf("it is %+v afterwards", got)
	}
}

func (s *suite) owners() {
	one, two := s.Work("one", tables.CSV(100)), s.Work("two", tables.CSV(50))
	s.read(two)
	s.read(one)
	_, err := s.Executor.Stop(s.Context(), one, executor.Everything)
	testkit.Must(s, err)
	if got := s.look(two); got.Phase != executor.PhasePrepared || got.Prepared.Rows != 50 {
		s.Errorf("the other owner's work is %+v", got)
	}
}
