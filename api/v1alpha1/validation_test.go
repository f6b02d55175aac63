package v1alpha1_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
)

const (
	leastSession = "dataStoreRef: {name: patients}\nsource: {uri: 's3://exports/patients.csv'}\n"
	leastStore   = "uploadAgentRef: {name: default}\nkeySecretRef: {name: patients-key}\ncolumns: [{name: PatientID}]\n"
	leastAgent   = "endpoint: https://edm.example.com/beta\n"

	leastSchedule = "schedule: '0 2 * * *'\nsessionTemplate: {spec: {dataStoreRef: {name: patients}, source: {uri: 's3://exports/patients.csv'}}}\n"
)

// object makes an object of a kind from the YAML of its spec, as a person writes
// it: the Go types would leave out what a person may well write.
func object(kind, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	o := &unstructured.Unstructured{Object: map[string]any{}}
	content := map[string]any{}
	Expect(yaml.Unmarshal([]byte(spec), &content)).To(Succeed())
	o.Object["spec"] = content
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	o.SetNamespace(namespace)
	o.SetGenerateName("object-")
	return o
}

// refused creates an object and matches what the API server has against it.
func refused(ctx SpecContext, o *unstructured.Unstructured, field, words string) {
	GinkgoHelper()
	err := kube.Create(ctx, o)
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "the API server should refuse it as invalid: %v", err)
	Expect(err.Error()).To(And(ContainSubstring(field), MatchRegexp(words)), "a person sees which field is wrong and what to do")
}

// with lays lines of YAML over a spec: the keys that both have are the lines'.
func with(spec, lines string) string {
	GinkgoHelper()
	base, over := map[string]any{}, map[string]any{}
	Expect(yaml.Unmarshal([]byte(spec), &base)).To(Succeed())
	Expect(yaml.Unmarshal([]byte(lines), &over)).To(Succeed())
	for k, v := range over {
		base[k] = v
	}
	out, err := yaml.Marshal(base)
	Expect(err).NotTo(HaveOccurred())
	return string(out)
}

var _ = Describe("The API server", func() {
	DescribeTable("refuses a session", func(ctx SpecContext, lines, field, words string) {
		refused(ctx, object("ExactMatchSession", with(leastSession, lines)), field, words)
	},
		Entry("without a source", "source: {}", "spec.source", "give exactly one of uri"),
		Entry("with two sources", "source: {uri: 's3://b/k', configMapKeyRef: {name: t, key: k}}", "spec.source", "give exactly one of uri"),
		Entry("with a bare path", "source: {uri: /exports/patients.csv}", "spec.source.uri", "begin with a scheme"),
		Entry("with user info", "source: {uri: 'https://me:pw@host/t.csv'}", "spec.source.uri", "user info.*uriSecretRef"),
		Entry("with an Azure signature", "source: {uri: 'https://host/t.csv?sv=2024-11-04&sig=abc'}", "spec.source.uri", "signature.*uriSecretRef"),
		Entry("with an AWS signature", "source: {uri: 'https://host/t.csv?X-Amz-Signature=abc'}", "spec.source.uri", "signature.*uriSecretRef"),
		Entry("with a signature behind a sharp", "source: {uri: 'https://host/t.csv#sig=abc'}", "spec.source.uri", "signature.*uriSecretRef"),
		Entry("with a token in an odd case", "source: {uri: 'https://host/t.csv?Access_Token=abc'}", "spec.source.uri", "signature.*uriSecretRef"),
		Entry("with an escaped name of a parameter", "source: {uri: 'https://host/t.csv?s%69g=abc'}", "spec.source.uri", "signature.*uriSecretRef"),
		Entry("with a path that leaves the volume", "source: {persistentVolumeClaim: {claimName: c, path: a/../../b}}", "persistentVolumeClaim.path", "stay on the volume"),
		Entry("with an absolute path on a volume", "source: {persistentVolumeClaim: {claimName: c, path: /a}}", "persistentVolumeClaim.path", "relative"),
		Entry("with two bytes between cells", "source: {uri: 's3://b/k', format: {delimiter: '||'}}", "delimiter", "1|one"),
		Entry("with a quote between cells", `source: {uri: 's3://b/k', format: {delimiter: '"'}}`, "delimiter", "neither a quote nor a line break"),
		Entry("with a tab in single quotes", "source: {uri: 's3://b/k', format: {delimiter: '\\\\t'}}", "delimiter", "in double quotes"),
		Entry("with quotes of another kind", "source: {uri: 's3://b/k', format: {quoting: Single}}", "quoting", "RFC4180"),
		Entry("with records of too many lines", "source: {uri: 's3://b/k', format: {maxLinesPerRecord: 10001}}", "maxLinesPerRecord", "10000"),
		Entry("with lines to skip that are none", "source: {uri: 's3://b/k', format: {skipLines: -1}}", "skipLines", "0"),
		Entry("with short rows of another kind", "source: {uri: 's3://b/k', format: {shortRows: Drop}}", "shortRows", "Pad"),
		Entry("with a letter that is no ASCII between cells", "source: {uri: 's3://b/k', format: {delimiter: 'ä'}}", "delimiter", "one ASCII character"),
		Entry("with an unknown encoding", "source: {uri: 's3://b/k', format: {encoding: latin1}}", "encoding", "Windows-1252"),
		Entry("with an unknown compression", "source: {uri: 's3://b/k', format: {compression: bzip2}}", "compression", "Zstd"),
		Entry("with no rows in a block", "rowsPerBlock: 0", "spec.rowsPerBlock", "greater than or equal to 1"),
		Entry("with too many rows in a block", "rowsPerBlock: 1000001", "spec.rowsPerBlock", "less than or equal to 1e\\+06|1000000"),
		Entry("with a field twice", "fields: [PatientID, PatientID]", "spec.fields", "[Dd]uplicate"),
		Entry("with no fields", "fields: []", "spec.fields", "at least 1"),
		Entry("with too many fields", "fields: ["+manyNames(33)+"]", "spec.fields", "at most 32"),
		Entry("with a checksum of another kind", "checksum: md5:d41d8cd98f00b204e9800998ecf8427e", "spec.checksum", "sha256"),
		Entry("with a checksum in capitals", "checksum: sha256:"+strings.Repeat("A", 64), "spec.checksum", "sha256"),
		Entry("with an override that is no digest", "guardOverride: 'yes'", "spec.guardOverride", "sha256"),
		Entry("with a file name that is a path", "fileName: a/b.csv", "spec.fileName", "should match"),
		Entry("with a desired state that does not exist", "desiredState: Paused", "spec.desiredState", "Uploaded.*Committed.*Cancelled"),
		Entry("with a deletion policy that is none", "deletionPolicy: Retain", "spec.deletionPolicy", "Cancel.*Delete.*Orphan"),
		Entry("with more than all rows bad", "badRows: {maxPercent: 101}", "spec.badRows.maxPercent", "100"),
		Entry("without a store", "dataStoreRef: {name: ''}", "spec.dataStoreRef.name", "at least 1"),
	)

	DescribeTable("takes a session", func(ctx SpecContext, lines string) {
		Expect(kube.Create(ctx, object("ExactMatchSession", with(leastSession, lines)))).To(Succeed())
	},
		Entry("of the design's page", `
source: {uri: 's3://exports/patients.csv', format: {delimiter: ",", encoding: Auto, compression: Auto}, credentialsSecretRef: {name: s3}}
fileName: patients.csv
checksum: sha256:`+strings.Repeat("9f", 32)+`
fields: [PatientID, SSN]
rowsPerBlock: 100000
desiredState: Committed
badRows: {maxPercent: 0, minSample: 1000}
guardOverride: ""
renewToken: ""
restartToken: ""
suspend: false
deletionPolicy: Cancel`),
		Entry("with a tab between cells", `source: {uri: 's3://b/k', format: {delimiter: "\t"}}`),
		Entry("with a bar between cells", `source: {uri: 's3://b/k', format: {delimiter: "|"}}`),
		Entry("with an odd byte between cells", `source: {uri: 's3://b/k', format: {delimiter: "\u0001"}}`),
		Entry("with a query that is no secret", "source: {uri: 'https://host/export?format=csv&design=1'}"),
		Entry("from a ConfigMap", "source: {configMapKeyRef: {name: t, key: patients.csv}}"),
		Entry("from a claim", "source: {persistentVolumeClaim: {claimName: c, path: daily/patients..csv}}"),
		Entry("from a Secret", "source: {uriSecretRef: {name: presigned, key: uri}}"),
	)

	DescribeTable("refuses a data store", func(ctx SpecContext, lines, field, words string) {
		refused(ctx, object("ExactMatchDataStore", with(leastStore, lines)), field, words)
	},
		Entry("without columns", "columns: []", "spec.columns", "at least 1"),
		Entry("with too many columns", "columns: ["+manyColumns(33)+"]", "spec.columns", "at most 32"),
		Entry("with a column twice", "columns: [{name: A}, {name: A}]", "spec.columns[1]", "[Dd]uplicate"),
		Entry("with a name that Graph has not", "columns: [{name: 'Patient ID'}]", "spec.columns[0].name", "should match"),
		Entry("with a delimiter of two letters", "columns: [{name: A, ignoredDelimiters: ['--']}]", "ignoredDelimiters[0]", "1"),
		Entry("without an agent", "uploadAgentRef: {name: ''}", "spec.uploadAgentRef.name", "at least 1"),
		Entry("with a display name that is none", "displayName: 'a b'", "spec.displayName", "should match"),
		Entry("with a guard of more than all values", "guards: {maxUnfindablePercent: 101}", "maxUnfindablePercent", "100"),
		Entry("with a guard of more than all rows", "guards: {maxRowDecreasePercent: 101}", "maxRowDecreasePercent", "100"),
		Entry("with an unknown deletion policy", "deletionPolicy: Cancel", "spec.deletionPolicy", "Orphan.*Delete"),
	)

	DescribeTable("refuses an upload agent", func(ctx SpecContext, lines, field, words string) {
		refused(ctx, object("ExactMatchUploadAgent", with(leastAgent, lines)), field, words)
	},
		Entry("with no URL", "endpoint: edm.example.com", "spec.endpoint", "http or https URL"),
		Entry("with another scheme", "endpoint: ftp://edm.example.com", "spec.endpoint", "http or https URL"),
		Entry("with user info", "endpoint: https://a:b@edm.example.com", "spec.endpoint", "without user info"),
		Entry("with a query", "endpoint: https://edm.example.com?key=1", "spec.endpoint", "without user info"),
		Entry("with two ways to sign in", "auth: {managedIdentity: {}, bearerTokenSecretRef: {name: t}}", "spec.auth", "at most one"),
		Entry("with an unknown scheme", "allow: {sourceSchemes: [ftp]}", "spec.allow.sourceSchemes[0]", "azblob"),
		Entry("with no worker", "workers: {parallelism: 0}", "spec.workers.parallelism", "1"),
	)

	DescribeTable("refuses a schedule", func(ctx SpecContext, lines, field, words string) {
		refused(ctx, object("ExactMatchSchedule", with(leastSchedule, lines)), field, words)
	},
		Entry("with a time zone in the expression", "schedule: 'TZ=UTC 0 2 * * *'", "spec.schedule", "spec.timeZone"),
		Entry("with an empty expression", "schedule: ''", "spec.schedule", "at least 1"),
		Entry("with a time zone that is a path", "timeZone: '../zone'", "spec.timeZone", "should match"),
		Entry("with an unknown policy", "concurrencyPolicy: Queue", "spec.concurrencyPolicy", "Allow.*Forbid.*Replace"),
		Entry("with a deadline that is none", "startingDeadlineSeconds: 0", "spec.startingDeadlineSeconds", "1"),
		Entry("with a jitter of hours", "jitterSeconds: 3601", "spec.jitterSeconds", "3600"),
		Entry("with a history below nothing", "failedRunsHistoryLimit: -1", "spec.failedRunsHistoryLimit", "0"),
		Entry("that cancels", "sessionTemplate: {spec: {dataStoreRef: {name: p}, source: {uri: 's3://b/k'}, desiredState: Cancelled}}", "spec.sessionTemplate.spec.desiredState", "Uploaded or Committed"),
		Entry("of suspended sessions", "sessionTemplate: {spec: {dataStoreRef: {name: p}, source: {uri: 's3://b/k'}, suspend: true}}", "spec.sessionTemplate.spec.suspend", "of the schedule"),
		Entry("of two sources", "sessionTemplate: {spec: {dataStoreRef: {name: p}, source: {uri: 's3://b/k', configMapKeyRef: {name: t, key: k}}}}", "spec.sessionTemplate.spec.source", "exactly one"),
		Entry("that waits for what pods see alone", "waitFor: {newerThan: LastRun}\nsessionTemplate: {spec: {dataStoreRef: {name: p}, source: {persistentVolumeClaim: {claimName: c, path: t.csv}}}}", "spec.waitFor", "pods only"),
	)

	It("lets a schedule change its data store, and fills in its defaults", func(ctx SpecContext) {
		o := object("ExactMatchSchedule", leastSchedule)
		Expect(kube.Create(ctx, o)).To(Succeed())
		s := &v1alpha1.ExactMatchSchedule{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(o), s)).To(Succeed())
		Expect(s.Spec.ConcurrencyPolicy).To(Equal(v1alpha1.ConcurrencyPolicyForbid))
		Expect(s.Spec.SuccessfulRunsHistoryLimit).To(BeEquivalentTo(3))
		Expect(s.Spec.FailedRunsHistoryLimit).To(BeEquivalentTo(1))
		s.Spec.SessionTemplate.Spec.DataStoreRef.Name = "customers"
		Expect(kube.Update(ctx, s)).To(Succeed())
	})

	DescribeTable("keeps what is immutable", func(ctx SpecContext, kind, spec, lines, field, words string) {
		o := object(kind, spec)
		Expect(kube.Create(ctx, o)).To(Succeed())
		changed := object(kind, with(spec, lines))
		o.Object["spec"] = changed.Object["spec"]
		err := kube.Update(ctx, o)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err.Error()).To(And(ContainSubstring(field), ContainSubstring(words)))
	},
		Entry("a session's store", "ExactMatchSession", leastSession, "dataStoreRef: {name: customers}", "spec.dataStoreRef", "create a new session"),
		Entry("a store's agent", "ExactMatchDataStore", leastStore, "uploadAgentRef: {name: other}", "spec.uploadAgentRef", "create a new data store"),
		Entry("a store's display name", "ExactMatchDataStore", leastStore+"displayName: one\n", "displayName: two", "spec", "displayName is immutable"),
		Entry("a store's display name that comes late", "ExactMatchDataStore", leastStore, "displayName: two", "spec", "displayName is immutable"),
	)

	It("keeps the endpoint of an upload agent while data stores have remote stores through it", func(ctx SpecContext) {
		a := &v1alpha1.ExactMatchUploadAgent{}
		o := object("ExactMatchUploadAgent", leastAgent)
		Expect(kube.Create(ctx, o)).To(Succeed())
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(o), a)).To(Succeed())
		move := func(to string) error {
			a.Spec.Endpoint = to
			return kube.Update(ctx, a)
		}
		Expect(move("https://edm.example.com/v1.0")).To(Succeed(), "nothing is there yet")
		a.Status.DataStores = 2
		Expect(kube.Status().Update(ctx, a)).To(Succeed())
		a.Spec.Allow.PlainHTTP = true
		Expect(kube.Update(ctx, a)).To(Succeed(), "everything else may change")
		err := move("https://other.example.com/beta")
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err.Error()).To(And(ContainSubstring("spec.endpoint is immutable"), ContainSubstring("create another upload agent")))
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(o), a)).To(Succeed())
		a.Status.DataStores = 0
		Expect(kube.Status().Update(ctx, a)).To(Succeed())
		Expect(move("https://other.example.com/beta")).To(Succeed(), "the last data store is gone")
	})

	It("fills in the defaults of a session", func(ctx SpecContext) {
		o := object("ExactMatchSession", leastSession)
		Expect(kube.Create(ctx, o)).To(Succeed())
		s := &v1alpha1.ExactMatchSession{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(o), s)).To(Succeed())
		Expect(s.Spec).To(Equal(v1alpha1.ExactMatchSessionSpec{
			DataStoreRef: v1alpha1.LocalReference{Name: "patients"},
			Source:       v1alpha1.Source{URI: "s3://exports/patients.csv", Format: v1alpha1.Format{Delimiter: ",", Encoding: "Auto", Compression: "Auto", Quoting: "Auto", MaxLinesPerRecord: 100, ShortRows: "Bad"}},
			RowsPerBlock: 100_000, DesiredState: v1alpha1.DesiredCommitted,
			BadRows: v1alpha1.BadRowsAllowance{MinSample: 1000}, DeletionPolicy: v1alpha1.SessionDeletionPolicyCancel,
		}))
	})

	It("fills in the defaults of a data store", func(ctx SpecContext) {
		o := object("ExactMatchDataStore", leastStore)
		Expect(kube.Create(ctx, o)).To(Succeed())
		s := &v1alpha1.ExactMatchDataStore{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(o), s)).To(Succeed())
		Expect(s.Spec.Columns[0].Searchable()).To(BeTrue())
		Expect(s.Spec.KeySecretRef.Key).To(Equal("key"))
		Expect(s.Spec.Guards).To(Equal(v1alpha1.Guards{MaxRowDecreasePercent: 50, RequireAllColumns: true, MaxUnfindablePercent: 20}))
		Expect(s.Spec.DeletionPolicy).To(Equal(v1alpha1.StoreDeletionPolicyOrphan))
	})

	It("fills in the defaults of an upload agent", func(ctx SpecContext) {
		o := object("ExactMatchUploadAgent", leastAgent+"auth: {bearerTokenSecretRef: {name: t}}\n")
		Expect(kube.Create(ctx, o)).To(Succeed())
		a := &v1alpha1.ExactMatchUploadAgent{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(o), a)).To(Succeed())
		Expect(a.Spec.Auth.BearerTokenSecretRef.Key).To(Equal("token"))
		Expect(a.Spec.Allow.SourceSchemes).To(ConsistOf("https", "s3", "gs", "azblob", "file"))
		Expect(a.Spec.Workers).To(Equal(v1alpha1.Workers{Mode: "Manager", Parallelism: 4}))
	})

	DescribeTable("shows kstatus an object in progress before any controller has seen it", func(ctx SpecContext, kind, spec string) {
		o := object(kind, spec)
		Expect(kube.Create(ctx, o)).To(Succeed())
		observed, found, err := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(BeTrue())
		Expect(observed).To(BeEquivalentTo(-1))
		got, err := status.Compute(o)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Status).To(Equal(status.InProgressStatus))
	},
		Entry("a session", "ExactMatchSession", leastSession),
		Entry("a data store", "ExactMatchDataStore", leastStore),
		Entry("an upload agent", "ExactMatchUploadAgent", leastAgent),
		Entry("a schedule", "ExactMatchSchedule", leastSchedule),
	)

	It("selects sessions by their store and desired state", func(ctx SpecContext) {
		o := object("ExactMatchSession", with(leastSession, "dataStoreRef: {name: selected}\ndesiredState: Uploaded"))
		Expect(kube.Create(ctx, o)).To(Succeed())
		list := &v1alpha1.ExactMatchSessionList{}
		Expect(kube.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{
			"spec.dataStoreRef.name": "selected", "spec.desiredState": "Uploaded",
		})).To(Succeed())
		Expect(list.Items).To(HaveLen(1))
		Expect(list.Items[0].Name).To(Equal(o.GetName()))
	})

	It("knows the kinds by their short names and category", func(ctx SpecContext) {
		for _, kind := range []struct{ plural, short string }{
			{"exactmatchsessions", "ems"}, {"exactmatchdatastores", "emds"}, {"exactmatchuploadagents", "emua"}, {"exactmatchschedules", "emsch"},
		} {
			crd := &unstructured.Unstructured{}
			crd.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
			crd.SetAPIVersion("apiextensions.k8s.io/v1")
			Expect(kube.Get(ctx, client.ObjectKey{Name: kind.plural + ".exactmatch.dev"}, crd)).To(Succeed())
			names, _, err := unstructured.NestedMap(crd.Object, "status", "acceptedNames")
			Expect(err).NotTo(HaveOccurred())
			Expect(names).To(And(HaveKeyWithValue("shortNames", ConsistOf(kind.short)), HaveKeyWithValue("categories", ConsistOf("exactmatch"))))
		}
	})
})

func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("F%d", i)
	}
	return strings.Join(names, ",")
}

func manyColumns(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("{name: F%d}", i)
	}
	return strings.Join(names, ",")
}
