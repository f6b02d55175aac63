package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"exactmatch.dev/operator/api/v1alpha1"
)

func TestMemoryKnowsAStaleCache(t *testing.T) {
	object := func(uid types.UID, version string) *v1alpha1.ExactMatchSession {
		o := &v1alpha1.ExactMatchSession{}
		o.UID, o.ResourceVersion = uid, version
		return o
	}
	var m memory
	if m.behind(object("a", "1")) {
		t.Error("an object that was never written is behind nothing")
	}
	m.setWritten(object("a", "99"), time.Unix(1, 0))
	for version, behind := range map[string]bool{"98": true, "9": true, "99": false, "100": false, "": false, "odd": false} {
		if got := m.behind(object("a", version)); got != behind {
			t.Errorf("version %q is behind 99: %t", version, got)
		}
	}
	if m.behind(object("b", "1")) {
		t.Error("another object's write counts")
	}
	m.spend("a-1-1")
	m.spend("b-1-1")
	m.forget("a")
	if m.behind(object("a", "1")) || m.isSpent("a-1-1") || !m.isSpent("b-1-1") {
		t.Error("forget drops what belongs to the object, and that alone")
	}
}
