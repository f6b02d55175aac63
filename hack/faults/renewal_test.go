package faults_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/api/v1alpha1"
)

// TestAnUploadURIIsRenewedBeforeABlockFails: the upload outlasts its upload URI, each
// renewal takes its time, and no block is ever refused or sent to an older URI. It is not
// parallel: beside all other cases four seconds may pass before a manager has its turn.
func TestAnUploadURIIsRenewedBeforeABlockFails(t *testing.T) { //nolint:paralleltest // see above
	w := newTestEnv(t, func(w *testEnv) { w.uriTTL, w.parallelism = 16*time.Second, 1 })
	refused := w.proxy.watch(func(c *call, status int) bool { return c.isBlob() && status == http.StatusForbidden })
	latest := ""
	wentBack := w.proxy.watch(func(c *call, _ int) bool {
		if !c.isBlock() {
			return false
		}
		before := latest
		latest = c.URL.Query().Get("se")
		return latest < before
	})
	w.proxy.arm(fault{name: "slow", times: 100, spoil: func(f *faultProxy, rw http.ResponseWriter, c *call) {
		pause(c, time.Second) // a block is sent meanwhile, and the caller still waits
		f.pass(rw, c)
	}}, posts("/renew"))
	w.proxy.trickle(900 * time.Millisecond)
	s := w.sessionObject()
	s.Spec.RowsPerBlock = 1 // 30 blocks, one at a time
	w.Expect(kube.Create(w.ctx, s)).To(Succeed())
	w.comesTo(v1alpha1.ReasonCompleted)
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(s.Status.UploadURIRenewals).To(BeNumerically(">=", 2), "the upload outlasts two upload URIs")
	w.Expect(s.Status.UploadURIIssuedTime).NotTo(BeNil())
	w.Expect(s.Status.UploadURIExpiryTime).NotTo(BeNil())
	w.Expect(w.proxy.seen(refused)).To(BeEmpty(), "each upload URI is renewed before a block fails")
	w.Expect(w.proxy.seen(wentBack)).To(BeEmpty(), "a renewal in progress does not affect blocks that are being sent")
	w.nothingLeaked()
	w.lookupsWereWhole("new")
}

// TestARenewalThatFailsIsTriedAgain while the old URI still lives: the upload goes
// on meanwhile.
func TestARenewalThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newTestEnv(t)
	holdUpload(w)
	trouble := w.proxy.arm(fault{name: "503", times: 2, spoil: answers(http.StatusServiceUnavailable, "ServiceUnavailable", "1")}, posts("/renew"))
	w.change(func(s *v1alpha1.ExactMatchSession) { s.Spec.RenewToken = "now" })
	w.Eventually(func() int { return w.proxy.met(trouble) }).Should(BeNumerically(">=", 1))
	w.proxy.release()
	w.comesTo(v1alpha1.ReasonCompleted)
	s, err := w.get()
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(s.Status.ObservedRenewToken).To(Equal("now"), "it was renewed in the end, or finished with the old URI")
	w.lookupsWereWhole("new")
}
