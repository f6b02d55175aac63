package faults_test

import (
	"context"
	"net/http"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// recorded notices a call that the object does not know of when it comes: if
// the manager died right behind it, the next one would not learn that it was sent.
func (f *faultProxy) recorded(c *call) {
	if c.Method != http.MethodPost || !c.isSession() {
		return
	}
	s := &v1alpha1.ExactMatchSession{}
	if err := kube.Get(context.Background(), client.ObjectKey{Namespace: f.env.namespace, Name: "session"}, s); err != nil {
		return // it is gone, and nobody follows
	}
	status := &s.Status
	switch id, request := c.sessionID(), c.Header.Get("client-request-id"); {
	case id == "" && !strings.HasPrefix(request, string(s.UID)):
		return // another object's
	case id == "" && (status.Intent == nil || status.Intent.ClientRequestID != request):
		f.t.Error("a create was sent, and the object has no intent to create of it")
	case id != "" && id != status.ID:
		return // an orphan, which nobody has to remember
	case c.isCommit() && status.CommitRequestedTime == nil:
		f.t.Error("a commit was sent, and the object does not say so")
	case strings.HasSuffix(c.URL.Path, "/cancel") && status.CancelRequestedTime == nil:
		f.t.Error("a cancel was sent, and the object does not say so")
	}
}
