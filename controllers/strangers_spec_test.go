package controllers_test

import (
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/edmtest"
)

// pages are what proxies and portals answer with in the place of a service.
var pages = []edmtest.Stranger{
	{Status: 404, Type: "text/html", Body: "<html>no such page</html>"},
	{Status: 403, Type: "text/html", Body: "<html>not from this network</html>"},
	{Status: 204},
}

// inTheWay lets a page answer the first call that is selected, and counts those
// that it has met.
func inTheWay(page edmtest.Stranger, selects func(*http.Request) bool) (met func() int) {
	var mu sync.Mutex
	n := 0
	front.answer(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		hit := n < 1 && selects(r)
		if hit {
			n++
		}
		mu.Unlock()
		if hit {
			page.ServeHTTP(w, r)
		}
		return hit
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func asks(method, suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == method && strings.HasSuffix(r.URL.Path, suffix)
	}
}

func ofBlob(method, comp string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/upload/") && r.Method == method && r.URL.Query().Get("comp") == comp
	}
}

func ofOneSession(method string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		before, id, found := strings.Cut(r.URL.Path, "/sessions/")
		return found && before != "" && !strings.Contains(id, "/") && r.Method == method
	}
}

var _ = Describe("A page in the place of an answer", func() {
	DescribeTable("costs a session no more than time", func(ctx SpecContext, selects func(*http.Request) bool) {
		for _, page := range pages {
			w := newTestEnv(ctx)
			w.table("table.csv", 30)
			met := inTheWay(page, selects)
			s := w.apply()
			w.comesTo(s, reached(v1alpha1.ReasonCompleted), "nothing ends by a page")
			Expect(met()).To(Equal(1), "%d: the page was in the way", page.Status)
			Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}), "%d: one session, and no orphan", page.Status)
			front.heal()
		}
	},
		Entry("create", asks(http.MethodPost, "/sessions")),
		Entry("get", ofOneSession(http.MethodGet)),
		Entry("commit", asks(http.MethodPost, "/commit")),
		Entry("block put", ofBlob(http.MethodPut, "block")),
		Entry("block list", ofBlob(http.MethodGet, "blocklist")),
		Entry("seal", ofBlob(http.MethodPut, "blocklist")),
	)

	DescribeTable("leaves nothing behind", func(ctx SpecContext, policy v1alpha1.SessionDeletionPolicy, selects func(*http.Request) bool, left []edm.State) {
		for _, page := range pages {
			w := newTestEnv(ctx)
			w.table("table.csv", 30)
			s := w.apply(desired(v1alpha1.DesiredUploaded), func(s *v1alpha1.ExactMatchSession) { s.Spec.DeletionPolicy = policy })
			w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the table is sealed")
			met := inTheWay(page, selects)
			Expect(kube.Delete(ctx, s)).To(Succeed())
			w.gone(s, "the remote session is finished")
			Expect(met()).To(Equal(1), "%d: the page was in the way", page.Status)
			Expect(w.states()).To(Equal(left), "%d: no orphan", page.Status)
			front.heal()
		}
	},
		Entry("cancel", v1alpha1.SessionDeletionPolicyCancel, asks(http.MethodPost, "/cancel"), []edm.State{edm.StateCancelled}),
		Entry("delete", v1alpha1.SessionDeletionPolicyDelete, ofOneSession(http.MethodDelete), nil),
	)
})
