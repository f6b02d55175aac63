package controllers_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

var _ = Describe("A data store with an ignored delimiter that can never match", func() {
	// accounts is a store with delimiters for its columns Account and Name.
	accounts := func(account, name string) func(client.Object) {
		return func(o client.Object) {
			if store, ok := o.(*v1alpha1.ExactMatchDataStore); ok {
				store.Spec.Columns = []v1alpha1.Column{
					{Name: "ID"},
					{Name: "Account", IgnoredDelimiters: []string{"-", account}},
					{Name: "Name", IsCaseInsensitive: true, IgnoredDelimiters: []string{name}},
				}
			}
		}
	}
	table := func() string {
		var text strings.Builder
		text.WriteString("ID,Account,Name\n")
		for n := range 200 {
			fmt.Fprintf(&text, "K-%05d,88%03d\u2011%04d,Person %d X%d\n", n, n, n, n, n)
		}
		return text.String()
	}

	DescribeTable("is refused with the form that would match", func(ctx SpecContext, account, name, words string) {
		w := newTestEnv(ctx, accounts(account, name))
		w.file("table.csv", table())
		s := w.apply()
		store := w.store()
		Eventually(func(g Gomega) {
			g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
			g.Expect(kstatusOf(store)).To(BeEquivalentTo("Failed"))
			for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
				g.Expect(store.Status.Conditions).To(ContainElement(And(HaveField("Type", kind),
					HaveField("Reason", v1alpha1.ReasonInvalidDelimiter), HaveField("Message", ContainSubstring(words)))))
			}
		}).Should(Succeed(), "a delimiter that does nothing is a mistake")
		Expect(store.Status.ID).To(BeEmpty(), "nothing was made at the service")
		w.comesTo(s, stuck(v1alpha1.ReasonDataStoreNotReady), "its store needs repair")
		Expect(message(s)).To(And(ContainSubstring(v1alpha1.ReasonInvalidDelimiter), ContainSubstring(words)))
		Expect(w.remotes()).To(BeEmpty(), "nothing was spent")

		By("taking the form that the message names")
		before := store.DeepCopy()
		store.Spec.Columns[1].IgnoredDelimiters[1], store.Spec.Columns[2].IgnoredDelimiters[0] = "\u2010", "x"
		Expect(kube.Patch(ctx, store, client.MergeFrom(before))).To(Succeed())
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the store is corrected")
		Eventually(func(g Gomega) {
			g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(store), store)).To(Succeed())
			g.Expect(store.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionReady), HaveField("Status", metav1.ConditionTrue))))
		}).Should(Succeed(), "nothing is wrong any more")
	},
		Entry("that NFKC changes", "\u2011", "x", `spec.columns: column "Account": ignoredDelimiters[1]: U+2011 never matches, since NFKC makes it U+2010: give U+2010`),
		Entry("that folding changes", "\u2010", "X", `spec.columns: column "Name": ignoredDelimiters[0]: U+0058 never matches, since isCaseInsensitive makes it U+0078: give U+0078`),
		Entry("of white space", "\t", "x", `spec.columns: column "Account": ignoredDelimiters[1]: U+0009 never matches, since white space becomes U+0020: give U+0020`),
	)
})
