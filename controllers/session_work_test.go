package controllers

import (
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/clients"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/problem"
)

func TestExecutorsThatAreNotThere(t *testing.T) {
	claim := v1alpha1.Source{PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: "exports", Path: "t.csv"}}
	file, object := v1alpha1.Source{URI: "file:///t.csv"}, v1alpha1.Source{URI: "s3://exports/t.csv"}
	for _, c := range []struct {
		mode, image string
		source      v1alpha1.Source
		says        string
	}{
		{v1alpha1.WorkersModeManager, "", file, ""},
		{v1alpha1.WorkersModeManager, "", object, ""},
		{v1alpha1.WorkersModeManager, "operator:1", claim, "spec.workers.mode"},
		{v1alpha1.WorkersModeJob, "", object, "--worker-image"},
		{v1alpha1.WorkersModeJob, "operator:1", object, ""},
		{v1alpha1.WorkersModeJob, "operator:1", claim, ""},
		{v1alpha1.WorkersModeJob, "operator:1", file, "--source-root"},
	} {
		s := newScope(&v1alpha1.ExactMatchSession{})
		s.object.Spec.Source = c.source
		s.agent = &v1alpha1.ExactMatchUploadAgent{}
		s.agent.Spec.Workers.Mode = c.mode
		err := workUnavailable(s, Options{WorkerImage: c.image})
		if (err != nil) != (c.says != "") || err != nil && (!strings.Contains(err.Error(), c.says) || problem.Of(err).Reason != v1alpha1.ReasonWorkersUnavailable) {
			t.Errorf("%s with image %q and %+v: %v", c.mode, c.image, c.source, err)
		}
	}
}

func TestARunningUploadKeepsTheLatestURI(t *testing.T) {
	s := newScope(&v1alpha1.ExactMatchSession{})
	s.object.UID = "a"
	s.agent, s.client = &v1alpha1.ExactMatchUploadAgent{}, &clients.Client{}
	s.remote = &edm.Session{ID: "1", DataUploadURI: "https://host/1?sig=first"}
	r := &SessionReconciler{}
	uri := r.target(s).URI
	sees := func(when, want string) {
		t.Helper()
		if got := uri(); got != want {
			t.Errorf("%s: the upload goes to %q, want %q", when, got, want)
		}
	}
	saw := func(id, uri string) {
		r.memory.setPoll("a", poll{at: time.Unix(1, 0), remote: &edm.Session{ID: id, DataUploadURI: uri}})
	}
	sees("before any look", "https://host/1?sig=first")
	saw("1", "https://host/1?sig=second")
	sees("renewed", "https://host/1?sig=second")
	r.memory.lookAgain("a")
	sees("while a call is on its way", "https://host/1?sig=second")
	if last, ok := r.memory.lastPoll("a"); !ok || !last.at.IsZero() {
		t.Errorf("the next pass does not look again: %v", last.at)
	}
	saw("2", "https://host/2?sig=third")
	sees("superseded", "https://host/1?sig=first")
}
