package controllers

import (
	"strings"
	"testing"

	"exactmatch.dev/operator/api/v1alpha1"
)

func TestWorkplacesThatAreNotThere(t *testing.T) {
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
		if (err != nil) != (c.says != "") || err != nil && (!strings.Contains(err.Error(), c.says) || asProblem(err).reason != v1alpha1.ReasonWorkersUnavailable) {
			t.Errorf("%s with image %q and %+v: %v", c.mode, c.image, c.source, err)
		}
	}
}
