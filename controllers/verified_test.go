package controllers_test

import (
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// sumHider keeps the checksums of blocks from the answers.
type sumHider struct{ http.ResponseWriter }

func (h sumHider) WriteHeader(status int) {
	h.Header().Del("X-Ms-Content-Crc64")
	h.ResponseWriter.WriteHeader(status)
}

// withoutSums lets the storage return no checksum of a block.
func withoutSums(w http.ResponseWriter, r *http.Request) bool {
	if isBlock(r) {
		front.service.ServeHTTP(sumHider{w}, r)
	}
	return isBlock(r)
}

// strictly refuses a checksum beside a block, as Azurite does in strict mode.
func strictly(w http.ResponseWriter, r *http.Request) bool {
	if !isBlock(r) || r.Header.Get("X-Ms-Content-Crc64") == "" {
		return false
	}
	w.Header().Set("x-ms-error-code", "FeatureNotSupported")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprint(w, "<Error><Code>FeatureNotSupported</Code></Error>")
	return true
}

var _ = Describe("Checksums that the storage returns", func() {
	strictlyWithoutSums := func(w http.ResponseWriter, r *http.Request) bool { return strictly(w, r) || withoutSums(w, r) }
	for place, change := range map[string]func(client.Object){"in the manager": func(client.Object) {}, "in pods": inPods} {
		DescribeTable("are compared "+place, func(ctx SpecContext, spoil func(http.ResponseWriter, *http.Request) bool, want string) {
			front.answer(spoil)
			w := newTestEnv(ctx, change)
			source := func(*v1alpha1.ExactMatchSession) {}
			if place == "in pods" {
				w.node().claim("exports", corev1.ReadOnlyMany, rowsOf(30))
				source = onClaim("exports")
			}
			w.table("table.csv", 30)
			s := w.apply(source)
			w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the condition only advises")
			Expect(condition(s.Status.Conditions, v1alpha1.ConditionBlocksVerified)).To(Equal(want))
		},
			Entry("where all of them come", func(http.ResponseWriter, *http.Request) bool { return false }, "True "+v1alpha1.ReasonChecksumsCompared),
			Entry("where none comes", withoutSums, "False "+v1alpha1.ReasonStorageUnverified),
			Entry("where ours is refused", strictly, "True "+v1alpha1.ReasonChecksumRefused),
			Entry("where ours is refused and none comes", strictlyWithoutSums, "False "+v1alpha1.ReasonStorageUnverified),
		)
	}

	It("are another attempt's after a restart", func(ctx SpecContext) {
		front.answer(withoutSums)
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the table is sealed")
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionBlocksVerified)).To(Equal("False " + v1alpha1.ReasonStorageUnverified))
		front.heal()
		w.table("table.csv", 31)
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		Eventually(func() (string, error) {
			_, err := w.look(s)
			return condition(s.Status.Conditions, v1alpha1.ConditionBlocksVerified), err
		}).Should(Equal("True "+v1alpha1.ReasonChecksumsCompared), "the other content has blocks of its own")
	})
})
