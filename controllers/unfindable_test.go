package controllers_test

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

var _ = Describe("A table with cells that nobody finds", func() {
	// accounts is a store of the columns ID, Account and Name.
	accounts := func(percent int32, account, name []string) func(client.Object) {
		return func(o client.Object) {
			if store, ok := o.(*v1alpha1.ExactMatchDataStore); ok {
				store.Spec.Guards.MaxUnfindablePercent = percent
				store.Spec.Columns = []v1alpha1.Column{
					{Name: "ID"}, {Name: "Account", IgnoredDelimiters: account}, {Name: "Name", IgnoredDelimiters: name},
				}
			}
		}
	}
	table := func(rows int, account, name string) string {
		var text strings.Builder
		text.WriteString("ID,Account,Name\n")
		for n := range rows {
			fmt.Fprintf(&text, "K-%05d,"+account+","+name+"\n", n, n, n)
		}
		return text.String()
	}
	qualityOf := func(s *v1alpha1.ExactMatchSession) *metav1.Condition {
		return meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionDataQuality)
	}
	good := func(name string) v1alpha1.ColumnQuality {
		return v1alpha1.ColumnQuality{Name: name, Distinct: 200, LargestRepetition: 1}
	}
	unfindable := func(name string, kinds v1alpha1.UnfindableKinds) v1alpha1.ColumnQuality {
		c := good(name)
		c.Unfindable, c.UnfindableKinds = 200, &kinds
		return c
	}
	const (
		invisible = `200 of the values \(100.0%\) contain invisible characters \(add them to the column's ignoredDelimiters`
		guards    = `200 of the values \(100.0%\) contain ="…" or a leading apostrophe \(add`
	)

	DescribeTable("is held, and warned of where the guard is off", func(ctx SpecContext, account, name, why string, kinds v1alpha1.UnfindableKinds) {
		both := `Account: ` + why + `.*; Name: ` + why
		columns := Equal([]v1alpha1.ColumnQuality{good("ID"), unfindable("Account", kinds), unfindable("Name", kinds)})
		judged := func(s *v1alpha1.ExactMatchSession) {
			GinkgoHelper()
			Expect(s.Status.Columns).To(columns)
			Expect(qualityOf(s)).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonUnfindableCells)))
			Expect(qualityOf(s).Message).To(MatchRegexp(both))
			text, err := json.Marshal(s)
			Expect(err).NotTo(HaveOccurred())
			for _, value := range []string{"880000", "4900000", "Person"} {
				Expect(string(text)).NotTo(ContainSubstring(value), "no cell stands in an object")
			}
		}

		w := newTestEnv(ctx, accounts(20, nil, nil))
		w.file("table.csv", table(200, account, name))
		s := w.apply()
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "nobody finds what it holds")
		Expect(message(s)).To(And(MatchRegexp(`^UnfindableCells \(guards.maxUnfindablePercent 20\): `+both), HaveSuffix("; to upload it anyway, set spec.guardOverride to "+s.Status.PreparedContent)))
		Expect(w.remotes()).To(BeEmpty(), "nothing was spent")
		judged(s)
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.GuardOverride = s.Status.PreparedContent })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the content is released")
		judged(s)

		lax := newTestEnv(ctx, accounts(100, nil, nil))
		lax.file("table.csv", table(200, account, name))
		s = lax.apply()
		lax.comesTo(s, reached(v1alpha1.ReasonCompleted), "the guard is off")
		judged(s)
	},
		Entry("zero-width characters", "88%07d\u200b", "\u200ePerson %d", invisible, v1alpha1.UnfindableKinds{InvisibleCharacters: 200}),
		Entry("spreadsheet guards", `"=""88%07d"""`, "'+49%08d", guards, v1alpha1.UnfindableKinds{SpreadsheetGuards: 200}),
		Entry("NUL padding", "88%07d\x00\x00\x00", "Person %d\x00", invisible, v1alpha1.UnfindableKinds{InvisibleCharacters: 200}),
	)

	DescribeTable("is as good as any where the column ignores them", func(ctx SpecContext, account, name string, ofAccount, ofName []string) {
		w := newTestEnv(ctx, accounts(0, ofAccount, ofName))
		w.file("table.csv", table(200, account, name))
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "they do no harm")
		Expect(s.Status.Columns).To(Equal([]v1alpha1.ColumnQuality{good("ID"), good("Account"), good("Name")}))
		Expect(qualityOf(s)).To(And(HaveField("Status", metav1.ConditionTrue), HaveField("Reason", v1alpha1.ReasonGood)))
	},
		Entry("zero-width characters", "88%07d\u200b", "\u200ePerson %d", []string{"\u200b"}, []string{"\u200e"}),
		Entry("spreadsheet guards", `"=""88%07d"""`, "'+49%08d", []string{"=", `"`}, []string{"'"}),
	)

	It("is judged however small it is", func(ctx SpecContext) {
		w := newTestEnv(ctx, accounts(100, nil, nil))
		w.file("table.csv", "ID,Account,Name\nK-1,880000001,M\ufffdller\nK-2,880000002,\"Person\nBerlin\r\nMitte\"\nK-3,880000003,Person 3\n")
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the guard is off")
		Expect(s.Status.Columns).To(ContainElement(v1alpha1.ColumnQuality{
			Name: "Name", Distinct: 3, LargestRepetition: 1, LineBreaks: 1, MostLines: 3,
			Unfindable: 1, UnfindableKinds: &v1alpha1.UnfindableKinds{LostCharacters: 1},
		}))
		Expect(qualityOf(s)).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonUnfindableCells)))
		Expect(qualityOf(s).Message).To(Equal("Name: 1 of the values (33.3%) contain U+FFFD in place of lost characters (export the table again)"))
	})

	It("is weak where NULL is written out in a third of its rows", func(ctx SpecContext) {
		w := newTestEnv(ctx, accounts(20, nil, nil))
		var text strings.Builder
		text.WriteString("ID,Account,Name\n")
		for n := range 300 {
			account := fmt.Sprintf("88%07d", n)
			if n%3 == 0 {
				account = `\N`
			}
			fmt.Fprintf(&text, "K-%05d,%s,Person %d\n", n, account, n)
		}
		w.file("table.csv", text.String())
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a warning holds nothing back")
		Expect(qualityOf(s)).To(And(HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonWeakColumns)))
		Expect(qualityOf(s).Message).To(Equal("Account: 33.3% of the values are shorter than 4 characters, 33.3% of the rows have the same value"))
	})
})
