package controllers_test

import (
	"net/http"
	"net/http/httptest"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// at lets the environment's agent speak to another endpoint.
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
	DescribeTable("says where spec.endpoint ends where nothing is found there", func(ctx SpecContext, url func() string) {
		w := newTestEnv(ctx, at(url()))
		agent, store := w.agent(), w.store()
		advice := "spec.endpoint must end before /dataClassification, as in http://127.0.0.1:"
		Eventually(w.ready).WithArguments(agent).Should(saying(metav1.ConditionUnknown, v1alpha1.ReasonUploadAgentNotReady, "404", advice), "a proxy's 404 may pass, so it is tried again")
		Eventually(w.ready).WithArguments(store).Should(saying(metav1.ConditionUnknown, v1alpha1.ReasonUploadAgentNotReady, advice), "the store waits for the agent")
		Eventually(func() error {
			if err := w.gets(agent); err != nil {
				return err
			}
			agent.Spec.Endpoint = endpoint
			return kube.Update(ctx, agent)
		}).Should(Succeed(), "nobody else writes it for long")
		Eventually(w.ready).WithArguments(store).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "the endpoint is corrected")
	},
		Entry("without a version", func() string { return strings.TrimSuffix(endpoint, "/beta") }),
		Entry("with the collection", func() string { return endpoint + "/dataClassification" }),
		Entry("at a server of pages", func() string {
			pages := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "text/html")
				rw.WriteHeader(http.StatusNotFound)
				_, _ = rw.Write([]byte("<html><body>404 page not found</body></html>"))
			}))
			DeferCleanup(pages.Close)
			return pages.URL
		}),
	)

	It("keeps its endpoint as long as a data store has a remote store there", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		agent, store := w.agent(), w.store()
		counts := func() (int32, error) { err := w.gets(agent); return agent.Status.DataStores, err }
		Eventually(counts).WithTimeout(seconds).Should(BeEquivalentTo(1), "the remote store is there")
		move := func() error {
			if err := w.gets(agent); err != nil {
				return err
			}
			agent.Spec.Endpoint = "http://127.0.0.1:9/beta"
			return kube.Update(ctx, agent)
		}
		Expect(move()).To(MatchError(ContainSubstring("create another upload agent")))
		Expect(kube.Delete(ctx, store)).To(Succeed())
		Eventually(counts).WithTimeout(seconds).Should(BeEquivalentTo(0), "the store is gone")
		Eventually(move).Should(Succeed(), "nothing is left at the old endpoint")
	})

	It("does not wait for the endpoints of others", func(ctx SpecContext) {
		for range 3 {
			newTestEnv(ctx, at(silent()))
		}
		w := newTestEnv(ctx)
		agent := w.agent()
		Eventually(w.ready).WithArguments(agent).WithTimeout(seconds).Should(saying(metav1.ConditionTrue, v1alpha1.ReasonReady), "its own endpoint answers")
	})
})
