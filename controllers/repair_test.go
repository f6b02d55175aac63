package controllers_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// exports is a server of tables that gives people.csv to who has a token, or a
// signature.
type exports struct {
	*httptest.Server
	requests atomic.Int32
}

func newExports() *exports {
	e := &exports{}
	text := rowsOf(40)
	e.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e.requests.Add(1)
		switch {
		case r.URL.Path != "/people.csv":
			rw.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") == "Bearer good" || r.URL.Query().Get("sig") == "good":
			rw.Header().Set("ETag", `"1"`)
			http.ServeContent(rw, r, "people.csv", time.Time{}, bytes.NewReader(text))
		default:
			rw.WriteHeader(http.StatusForbidden)
		}
	}))
	DeferCleanup(e.Close)
	return e
}

// fromSecret is a session whose source the Secret "exports" decides, and what the
// Secret holds: key and value, first wrong, then right.
type fromSecret struct {
	spec              func(*exports) v1alpha1.Source
	key, wrong, right func(*exports) string
}

func is(text string) func(*exports) string { return func(*exports) string { return text } }

func below(path string) func(*exports) string {
	return func(e *exports) string { return e.URL + path }
}

var (
	withCredentials = fromSecret{
		spec: func(e *exports) v1alpha1.Source {
			return v1alpha1.Source{URI: e.URL + "/people.csv", CredentialsSecretRef: &v1alpha1.LocalReference{Name: "exports"}}
		},
		key: is("bearerToken"), wrong: is("bad"), right: is("good"),
	}
	withURI = func(wrong func(*exports) string) fromSecret {
		return fromSecret{
			spec: func(*exports) v1alpha1.Source {
				return v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "exports", Key: "uri"}}
			},
			key: is("uri"), wrong: wrong, right: below("/people.csv?sig=good"),
		}
	}
)

var _ = Describe("A session whose source a Secret decides", func() {
	DescribeTable("notices that the Secret is corrected", func(ctx SpecContext, reason string, of fromSecret, changes ...func(client.Object)) {
		w := newTestEnv(ctx, changes...)
		w.node()
		e := newExports()
		secret := &corev1.Secret{ObjectMeta: w.named("exports"), Data: map[string][]byte{of.key(e): []byte(of.wrong(e))}}
		Expect(kube.Create(ctx, secret)).To(Succeed())
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source = of.spec(e) })
		w.comesTo(s, stuck(reason), "the Secret is wrong")
		Expect(message(s)).To(And(ContainSubstring(`Secret "exports"`), Not(ContainSubstring("sig="))))
		Expect(s.Status.Outcome).To(BeEmpty(), "nothing has ended")
		By("not reading the source again while the data is the same")
		// A look at the session as it was before its verdict reads once more.
		Eventually(func() (string, error) {
			s := s.DeepCopy()
			err := seen.Get(ctx, client.ObjectKeyFromObject(s), s)
			return s.ResourceVersion, err
		}).Should(Equal(s.ResourceVersion), "the manager sees its own verdict")
		before := e.requests.Load()
		secret.Annotations = map[string]string{"looked-at": "by somebody"}
		Expect(kube.Update(ctx, secret)).To(Succeed())
		Consistently(e.requests.Load).Should(Equal(before))
		By("reading it as soon as the data is another")
		secret.Data[of.key(e)] = []byte(of.right(e))
		Expect(kube.Update(ctx, secret)).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the Secret is right")
		Expect(s.Status.Rows).To(HaveValue(BeEquivalentTo(40)))
	},
		Entry("credentials", v1alpha1.ReasonSourceRefused, withCredentials),
		Entry("an expired URI", v1alpha1.ReasonSourceRefused, withURI(below("/people.csv?sig=old"))),
		Entry("a URI where nothing lies", v1alpha1.ReasonSourceNotFound, withURI(below("/nothing.csv?sig=good"))),
		Entry("a URI that is none", v1alpha1.ReasonSourceInvalid, withURI(is("people.csv"))),
		Entry("a URI whose end is no file name", v1alpha1.ReasonSourceInvalid, withURI(below("/a%2Bb$.csv"))),
		Entry("credentials, in pods", v1alpha1.ReasonSourceRefused, withCredentials, inPods),
		Entry("an expired URI, in pods", v1alpha1.ReasonSourceRefused, withURI(below("/people.csv?sig=old")), inPods),
	)

	It("reads again what restartToken asks for", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		e := newExports()
		Expect(kube.Create(ctx, &corev1.Secret{ObjectMeta: w.named("exports"), Data: map[string][]byte{"bearerToken": []byte("bad")}})).To(Succeed())
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source = withCredentials.spec(e) })
		w.comesTo(s, stuck(v1alpha1.ReasonSourceRefused), "the Secret is wrong")
		before := e.requests.Load()
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		Eventually(e.requests.Load).Should(BeNumerically(">", before), "the server may have changed its mind")
		w.comesTo(s, stuck(v1alpha1.ReasonSourceRefused), "the Secret is still wrong")
	})

	It("goes on with a lost signature in mid-upload", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		e := newExports()
		secret := &corev1.Secret{ObjectMeta: w.named("exports"), Data: map[string][]byte{"bearerToken": []byte("good")}}
		Expect(kube.Create(ctx, secret)).To(Succeed())
		front.holdBlocks()
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source = withCredentials.spec(e) })
		w.comesTo(s, underWay(v1alpha1.ReasonUploading), "the blocks do not get through")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = true })
		Eventually(func() (string, error) { _, err := w.look(s); return message(s), err }).Should(ContainSubstring("suspend"), "it is parked")
		secret.Data["bearerToken"] = []byte("bad")
		Expect(kube.Update(ctx, secret)).To(Succeed())
		front.open()
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = false })
		w.comesTo(s, stuck(v1alpha1.ReasonSourceRefused), "the table is read again, and refused")
		secret.Data["bearerToken"] = []byte("good")
		Expect(kube.Update(ctx, secret)).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the Secret is right again")
	})
})
