package controllers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/executor"
	"exactmatch.dev/operator/internal/executor/jobs"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/testkit/pods"
)

// inPods lets the environment's agent work in pods.
func inPods(o client.Object) {
	if agent, ok := o.(*v1alpha1.ExactMatchUploadAgent); ok {
		agent.Spec.Workers = v1alpha1.Workers{Mode: v1alpha1.WorkersModeJob, Parallelism: 3}
	}
}

// claim makes a claim whose volume is a folder of the node, with a table.
func (n *node) claim(name string, mode corev1.PersistentVolumeAccessMode, text []byte) {
	GinkgoHelper()
	Expect(kube.Create(n.testEnv.ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: n.testEnv.named(name),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	})).To(Succeed())
	Expect(os.MkdirAll(filepath.Join(n.claims, name), 0o750)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(n.claims, name, "table.csv"), text, 0o600)).To(Succeed())
}

func rowsOf(rows int) []byte {
	var text strings.Builder
	text.WriteString("ID,E-Mail,City\n")
	for n := range rows {
		fmt.Fprintf(&text, "P-%d,p%d@example.com,Oslo\n", n, n)
	}
	return []byte(text.String())
}

// onClaim takes the table from a claim.
func onClaim(name string) func(*v1alpha1.ExactMatchSession) {
	return func(s *v1alpha1.ExactMatchSession) {
		s.Spec.Source = v1alpha1.Source{PersistentVolumeClaim: &v1alpha1.VolumeFile{ClaimName: name, Path: "table.csv"}}
	}
}

// midUpload is a session whose pods have begun to stage, and do not end.
func midUpload(ctx context.Context) (*testEnv, *node, *v1alpha1.ExactMatchSession) {
	GinkgoHelper()
	w := newTestEnv(ctx, inPods)
	n := w.node()
	n.claim("exports", corev1.ReadOnlyMany, rowsOf(100))
	n.Inflict(pods.Faults{Hold: stages})
	s := w.apply(onClaim("exports"))
	Eventually(n.Ran).Should(HaveLen(4), "the upload has begun")
	return w, n, s
}

func stages(pod *corev1.Pod) bool { return pod.Spec.Containers[0].Args[1] == "stage" }

// nothingLeft says that no Job and no task of a session is there.
func (w *testEnv) nothingLeft(s *v1alpha1.ExactMatchSession) {
	GinkgoHelper()
	list := &batchv1.JobList{}
	Eventually(func() ([]batchv1.Job, error) {
		err := kube.List(w.ctx, list, client.InNamespace(w.namespace))
		live := []batchv1.Job{}
		for _, job := range list.Items {
			if job.DeletionTimestamp.IsZero() {
				live = append(live, job)
			}
		}
		return live, err
	}).Should(BeEmpty(), "the Jobs go at once")
	task := &corev1.Secret{ObjectMeta: w.named(jobs.Builder{Owner: executor.Owner{Namespace: s.Namespace, Name: s.Name, UID: string(s.UID)}}.SecretName())}
	w.gone(task, "the upload URI goes with the task")
}

var _ = Describe("Workers in pods", func() {
	It("uploads a claim in stripes", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(100))
		s := w.apply(onClaim("exports"))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "pods read and stage, the manager seals and commits")
		Expect(condition(s.Status.Conditions, v1alpha1.ConditionLive)).To(Equal("True Published"), "no tokens are here to ask for, so the service's word counts")
		Expect(s.Status.Rows).To(HaveValue(BeEquivalentTo(100)))
		Expect(s.Status.FileName).To(Equal("table.csv"))
		Expect(s.Status.Progress).To(Equal("100%"))
		Expect(w.states()).To(HaveExactElements(edm.StateCompleted))
		Expect(n.Ran()).To(HaveLen(4), "one reads, three stage")
		Expect(w.events(s)).To(ContainElement(v1alpha1.ReasonJobCreated))
		w.nothingLeft(s)
	})

	It("uploads what a ConfigMap holds", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		w.node()
		Expect(kube.Create(ctx, &corev1.ConfigMap{ObjectMeta: w.named("tables"), Data: map[string]string{"t.csv": string(rowsOf(50))}})).To(Succeed())
		s := w.apply(func(s *v1alpha1.ExactMatchSession) {
			s.Spec.Source = v1alpha1.Source{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "tables", Key: "t.csv"}}
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the key is mounted")
	})

	It("keeps no task where nothing is left to do", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		w.node().claim("exports", corev1.ReadOnlyMany, rowsOf(50))
		s := w.apply(onClaim("exports"), func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredUploaded })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the commit is another change")
		w.nothingLeft(s)
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCommitted })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a commit needs no pods")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RestartToken = "again" })
		w.comesTo(s, reached(v1alpha1.ReasonAlreadyUploaded), "the table was read once more")
		w.nothingLeft(s)
		Expect(w.states()).To(HaveExactElements(edm.StateCompleted))
	})

	It("keeps pods of a volume of one node together", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		n.claim("exports", corev1.ReadWriteOnce, rowsOf(100))
		w.comesTo(w.apply(onClaim("exports")), reached(v1alpha1.ReasonCompleted), "it completes")
		for _, pod := range n.Ran()[1:] {
			Expect(pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution).To(HaveLen(1))
		}
	})

	It("says that a compressed table is one stripe", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write(rowsOf(100))
		Expect(err).NotTo(HaveOccurred())
		Expect(z.Close()).To(Succeed())
		n.claim("exports", corev1.ReadOnlyMany, packed.Bytes())
		s := w.apply(onClaim("exports"))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "one pod uploads it")
		Expect(n.Ran()).To(HaveLen(2))
		said := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionParallel)
		Expect(said).To(HaveValue(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonSingleStripe), HaveField("Message", ContainSubstring("asks for 3")))))
	})

	It("waits for a claim that is not there", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		s := w.apply(onClaim("exports"))
		w.comesTo(s, stuck(v1alpha1.ReasonClaimNotFound), "it names the claim")
		Expect(message(s)).To(ContainSubstring(`PersistentVolumeClaim "exports"`))
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(20))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it goes on when the claim comes")
	})

	It("reads a URI that a Secret holds, and shows it nowhere", func(ctx SpecContext) {
		const signature = "the-signature-of-a-test"
		text := rowsOf(40)
		exports := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("sig") != signature {
				rw.WriteHeader(http.StatusForbidden)
				return
			}
			rw.Header().Set("ETag", `"1"`)
			http.ServeContent(rw, r, "people.csv", time.Time{}, bytes.NewReader(text))
		}))
		DeferCleanup(exports.Close)
		w := newTestEnv(ctx, inPods)
		n := w.node()
		secret := &corev1.Secret{ObjectMeta: w.named("exports"), Data: map[string][]byte{"sas": []byte(exports.URL + "/people.csv?sig=" + signature)}}
		Expect(kube.Create(ctx, secret)).To(Succeed())
		s := w.apply(func(s *v1alpha1.ExactMatchSession) {
			s.Spec.Source = v1alpha1.Source{URISecretRef: &v1alpha1.KeyReference{Name: "exports", Key: "sas"}}
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "pods read what the Secret names")
		Expect(s.Status.Rows).To(HaveValue(BeEquivalentTo(40)))
		Expect(s.Status.FileName).To(Equal("people.csv"))
		shown, err := json.Marshal([]any{s, n.Ran()})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(shown)).NotTo(ContainSubstring(signature))
	})

	It("ends with what a pod says of a bad table, and deletes the Job", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		n.claim("exports", corev1.ReadOnlyMany, []byte("ID,City\n1,Oslo\n"))
		s := w.apply(onClaim("exports"))
		w.comesTo(s, stuck(v1alpha1.ReasonMissingColumn), "bad input costs no quota")
		Expect(message(s)).To(ContainSubstring("E-Mail"))
		Expect(w.states()).To(BeEmpty())
		Eventually(func() (int, error) {
			list := &batchv1.JobList{}
			err := kube.List(ctx, list, client.InNamespace(w.namespace))
			return len(list.Items), err
		}).Should(BeZero(), "the Job does not try the same table six times")
		w.nothingLeft(s)
	})

	It("tells in words why pods fail, and tries again", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		n := w.node()
		var failures atomic.Int32
		n.Inflict(pods.Faults{Fail: func(pod *corev1.Pod) *corev1.ContainerStateTerminated {
			// One index uses up the Job's patience: a first pod and six others.
			if !stages(pod) || pod.Annotations[batchv1.JobCompletionIndexAnnotation] != "1" || failures.Add(1) > 7 {
				return nil
			}
			return &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}
		}})
		n.claim("exports", corev1.ReadOnlyMany, rowsOf(100))
		s := w.apply(onClaim("exports"))
		w.comesTo(s, underWay(v1alpha1.ReasonWorkersFailed), "the Job failed")
		Expect(message(s)).To(ContainSubstring("ran out of memory"))
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "another Job stages what is absent")
		Expect(w.states()).To(HaveExactElements(edm.StateCompleted), "in the same remote session")
	})

	It("deletes the Jobs of a session that is suspended, and goes on later", func(ctx SpecContext) {
		w, n, s := midUpload(ctx)
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = true })
		Eventually(func() (int, error) {
			list := &batchv1.JobList{}
			err := kube.List(ctx, list, client.InNamespace(w.namespace))
			return len(list.Items), err
		}).Should(BeZero(), "nothing works while it is suspended")
		n.Inflict(pods.Faults{})
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Suspend = false })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "it goes on")
		Expect(w.states()).To(HaveExactElements(edm.StateCompleted), "in the same remote session")
		reads := 0
		for _, pod := range n.Ran() {
			if !stages(pod) {
				reads++
			}
		}
		Expect(reads).To(Equal(1), "what was read is kept in the task")
	})

	It("cancels and leaves nothing when it is no longer wanted", func(ctx SpecContext) {
		w, _, s := midUpload(ctx)
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.DesiredState = v1alpha1.DesiredCancelled })
		w.comesTo(s, reached(v1alpha1.ReasonCancelled), "it is cancelled")
		Expect(w.states()).To(HaveExactElements(edm.StateCancelled))
		w.nothingLeft(s)
	})

	It("cancels and leaves nothing when it is deleted in mid-upload", func(ctx SpecContext) {
		w, _, s := midUpload(ctx)
		Expect(kube.Delete(ctx, s.DeepCopy())).To(Succeed())
		w.gone(s.DeepCopy(), "the finalizer lets go")
		Expect(w.states()).To(HaveExactElements(edm.StateCancelled))
		w.nothingLeft(s)
	})

	It("hands a renewed upload URI to the pods", func(ctx SpecContext) {
		w, _, s := midUpload(ctx)
		task := &corev1.Secret{ObjectMeta: w.named(jobs.Builder{Owner: executor.Owner{Namespace: s.Namespace, Name: s.Name, UID: string(s.UID)}}.SecretName())}
		uri := func() (string, error) {
			err := kube.Get(ctx, client.ObjectKeyFromObject(task), task)
			return string(task.Data[protocol.URIFile]), err
		}
		before, err := uri()
		Expect(err).NotTo(HaveOccurred())
		Expect(before).To(ContainSubstring("sig="))
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.RenewToken = "now" })
		Eventually(uri).ShouldNot(Equal(before), "the file follows the renewal")
	})

	It("refuses what pods cannot read", func(ctx SpecContext) {
		w := newTestEnv(ctx, inPods)
		s := w.apply() // a file of the manager's
		w.comesTo(s, stuck(v1alpha1.ReasonWorkersUnavailable), "pods have no --source-root")
		Expect(message(s)).To(ContainSubstring("persistentVolumeClaim"))
	})
})
