package controllers_test

import (
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// at lets a world's agent speak to another endpoint.
func at(url string) func(client.Object) {
	return func(o client.Object) {
		if agent, ok := o.(*v1alpha1.ExactMatchUploadAgent); ok {
			agent.Spec.Endpoint = url
		}
	}
}

// silent is an endpoint that takes requests and answers none.
func silent() string {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	DeferCleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL + "/beta"
}

var _ = Describe("An upload agent", func() {
	It("does not wait for the endpoints of others", func(ctx SpecContext) {
		for range 3 {
			newWorld(ctx, at(silent()))
		}
		w := newWorld(ctx)
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).WithTimeout(seconds).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "its own endpoint answers")
	})
})
