package controllers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/testkit"
)

func checksumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

type change = func(*v1alpha1.ExactMatchSession)

// without leaves an object of the environment out.
func without[T client.Object](name string) func(client.Object) {
	return func(o client.Object) {
		if _, is := o.(T); is && o.GetName() == name {
			o.SetName("")
		}
	}
}

var _ = Describe("A session that cannot work", func() {
	// Every case ends Stalled with a reason, words that name what is wrong, and
	// nothing at the service.
	DescribeTable("says what is wrong with its table", func(ctx SpecContext, text, reason, words string, changes ...change) {
		w := newTestEnv(ctx)
		w.file("table.csv", text)
		s := w.apply(changes...)
		w.comesTo(s, stuck(reason), "the table cannot become blocks")
		Expect(message(s)).To(MatchRegexp(words))
		Expect(message(s)).NotTo(ContainSubstring("secret-cell"), "no value of a cell is shown")
		Expect(w.remotes()).To(BeEmpty(), "nothing was spent")
		Expect(s.Status.Intent).To(BeNil())
	},
		Entry("missing column", "ID,City\nsecret-cell,1\n", v1alpha1.ReasonMissingColumn, `E-Mail.*sourceName`),
		Entry("duplicate header", "ID,E-Mail,City,ID\nsecret-cell,1,2,3\n", v1alpha1.ReasonDuplicateHeader, `column`),
		Entry("wrong checksum", "ID,E-Mail,City\nsecret-cell,1,2\n", v1alpha1.ReasonChecksumMismatch, `sha256:.*sha256:`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.Checksum = checksumOf("another") }),
		Entry("bad rows", "ID,E-Mail,City\na,b,c\nsecret-cell,1\nd,e,f\n", v1alpha1.ReasonTooManyBadRows, `1 of the first 3 lines of data.*badRows.*row 2`),
		Entry("no rows", "ID,E-Mail,City\n", v1alpha1.ReasonEmptyTable, `row`),
		Entry("nothing", "", v1alpha1.ReasonEmptyTable, `header|empty`),
		Entry("wrong encoding", "ID,E-Mail,City\nsecret-cell\xff,1,2\n", v1alpha1.ReasonTooManyBadRows, `InvalidEncoding|UTF-8`),
		Entry("wrong encoding of the header", "ID,E-M\xffail,City\nsecret-cell,1,2\n", v1alpha1.ReasonInvalidEncoding, `UTF-8|encoding`),
		Entry("too many blocks", "ID,E-Mail,City\n"+strings.Repeat("secret-cell,1,2\n", 50_001), v1alpha1.ReasonTooManyBlocks, `50000.*rowsPerBlock.*2`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.RowsPerBlock = 1 }),
		Entry("field that is no column", "ID,E-Mail,City\nsecret-cell,1,2\n", v1alpha1.ReasonMissingColumn, `spec\.fields\[1\].*Phone.*ID, Email, City`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.Fields = []string{"ID", "Phone"} }),
		Entry("missing file", "", v1alpha1.ReasonSourceNotFound, `the file does not exist`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///nowhere.csv" }),
		Entry("path outside the root", "", v1alpha1.ReasonPathOutsideRoot, `source root`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///../other/table.csv" }),
		Entry("plain http", "", v1alpha1.ReasonNotPermitted, `plainHTTP`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "http://example.com/table.csv" }),
		Entry("claim without workers", "", v1alpha1.ReasonWorkersUnavailable, `persistentVolumeClaim`,
			func(s *v1alpha1.ExactMatchSession) {
				s.Spec.Source = v1alpha1.Source{PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: "exports", Path: "table.csv"}}
			}),
		Entry("a name that is no file name", "", v1alpha1.ReasonSourceInvalid, `spec\.fileName`,
			func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///a%2Bb$.csv" }),
	)

	It("does not follow a link out of its folder", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		Expect(os.Symlink("/etc/passwd", filepath.Join(w.folder(), "table.csv"))).To(Succeed())
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonPathOutsideRoot), "the link leads out")
	})

	It("wakes when the missing Secret comes", func(ctx SpecContext) {
		w := newTestEnv(ctx, without[*corev1.Secret]("key"))
		w.table("table.csv", 20)
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonSecretNotFound), "there is no key")
		Expect(message(s)).To(And(ContainSubstring(`Secret "key"`), ContainSubstring("create it")))
		Expect(w.remotes()).To(BeEmpty())
		key := &corev1.Secret{ObjectMeta: w.named("key"), Data: map[string][]byte{"key": []byte("short")}}
		Expect(kube.Create(ctx, key)).To(Succeed())
		w.comesTo(s, stuck(v1alpha1.ReasonKeyTooShort), "the key is too short")
		Expect(message(s)).To(And(ContainSubstring("32"), Not(ContainSubstring("short;"))))
		key.Data["key"] = []byte("now a key of more than 32 bytes, at last")
		Expect(kube.Update(ctx, key)).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the key is good")
	})

	It("wakes when the missing store comes", func(ctx SpecContext) {
		w := newTestEnv(ctx, without[*v1alpha1.ExactMatchDataStore]("store"))
		w.table("table.csv", 20)
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonDataStoreNotFound), "there is no store")
		Expect(message(s)).To(And(ContainSubstring(`ExactMatchDataStore "store"`), ContainSubstring("create it")))
		Expect(kube.Create(ctx, w.store())).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the store is there")
	})

	It("waits for a service that does not answer", func(ctx SpecContext) {
		_, port, err := net.SplitHostPort(testkit.FreeAddress(GinkgoTB()))
		Expect(err).NotTo(HaveOccurred())
		w := newTestEnv(ctx, func(o client.Object) {
			if agent, is := o.(*v1alpha1.ExactMatchUploadAgent); is {
				agent.Spec.Endpoint = "http://127.0.0.1:" + port + "/beta"
			}
		})
		w.table("table.csv", 20)
		s := w.apply()
		Eventually(func() (string, error) { _, err := w.look(s); return message(s), err }).
			Should(And(ContainSubstring("ExactMatchDataStore store"), ContainSubstring("connection refused")), "the message says what does not answer")
		w.stays(s, underWay(v1alpha1.ReasonQueued), "a fault that passes never makes Ready False")
		agent := w.agent()
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(agent), agent)).To(Succeed())
		Expect(kstatusOf(agent)).To(BeEquivalentTo("InProgress"))
	})

	It("says whose token is refused, and tries a new one", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if secret, is := o.(*corev1.Secret); is && secret.Name == "token" {
				secret.Data["token"] = []byte("wrong-token")
			}
		})
		w.table("table.csv", 20)
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonDataStoreNotReady), "the service refuses us")
		Expect(message(s)).To(And(ContainSubstring(v1alpha1.ReasonCredentialsRefused), ContainSubstring("spec.auth"), Not(ContainSubstring("wrong-token"))))
		Expect(w.remotes()).To(BeEmpty())
		token := &corev1.Secret{ObjectMeta: w.named("token"), Data: map[string][]byte{"token": []byte(bearer)}}
		Expect(kube.Update(ctx, token)).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the new token is good")
	})

	It("refuses an address that the agent does not allow", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if agent, is := o.(*v1alpha1.ExactMatchUploadAgent); is {
				agent.Spec.Allow.Hosts, agent.Spec.Allow.PlainHTTP = nil, true
			}
		})
		w.table("table.csv", 20)
		s := w.apply()
		Eventually(func() (string, error) { _, err := w.look(s); return message(s), err }).Should(ContainSubstring("allow"), "the message names the knob")
		Expect(w.remotes()).To(BeEmpty())
	})

	It("reads no scheme that the agent does not allow", func(ctx SpecContext) {
		w := newTestEnv(ctx, func(o client.Object) {
			if agent, is := o.(*v1alpha1.ExactMatchUploadAgent); is {
				agent.Spec.Allow.SourceSchemes = []string{"file"}
			}
		})
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "https://example.com/table.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonSchemeNotAllowed), "https is not among the schemes")
		Expect(message(s)).To(And(ContainSubstring("https"), ContainSubstring("sourceSchemes")))
		Expect(w.remotes()).To(BeEmpty())
	})

	It("sends nothing to a service that does not publish its blocks' format", func(ctx SpecContext) {
		front.answer(func(rw http.ResponseWriter, r *http.Request) bool {
			front.service.ServeHTTP(formatHider{rw}, r)
			return true
		})
		w := newTestEnv(ctx)
		w.table("table.csv", 20)
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonFormatUnpublished), "nobody can write blocks that nobody describes")
		Expect(w.remotes()).To(BeEmpty())
	})

	It("stalls a store whose remote store is another object's", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 20)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "the first store works")
		twin := w.store()
		twin.Name = "twin"
		Expect(kube.Create(ctx, twin)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(twin), twin)).To(Succeed())
			g.Expect(kstatusOf(twin)).To(BeEquivalentTo("Failed"))
		}).Should(Succeed(), "two objects may not write one store")
		c := twin.Status.Conditions
		Expect(c).To(ContainElement(And(HaveField("Type", "Stalled"), HaveField("Reason", v1alpha1.ReasonOwnedElsewhere), HaveField("Status", metav1.ConditionTrue))))
	})
})

var _ = Describe("An object that no controller has seen", func() {
	It("is in progress", func(ctx SpecContext) {
		for _, o := range []client.Object{
			&v1alpha1.ExactMatchSession{}, &v1alpha1.ExactMatchDataStore{}, &v1alpha1.ExactMatchUploadAgent{},
		} {
			o.SetGeneration(1)
			switch o := o.(type) {
			case *v1alpha1.ExactMatchSession:
				o.Status.ObservedGeneration = -1
			case *v1alpha1.ExactMatchDataStore:
				o.Status.ObservedGeneration = -1
			case *v1alpha1.ExactMatchUploadAgent:
				o.Status.ObservedGeneration = -1
			}
			Expect(kstatusOf(o)).To(BeEquivalentTo("InProgress"))
		}
	})
})

// formatHider keeps from the answer which format of blocks the service reads.
type formatHider struct{ http.ResponseWriter }

func (h formatHider) WriteHeader(status int) {
	h.Header().Del("X-Block-Format")
	h.ResponseWriter.WriteHeader(status)
}

func (h formatHider) Write(b []byte) (int, error) {
	h.Header().Del("X-Block-Format")
	return h.ResponseWriter.Write(b)
}
