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

var _ = Describe("The data quality of a session", func() {
	// patients is a store of one good column, three weak ones and one that
	// nobody searches for.
	patients := func(o client.Object) {
		if store, ok := o.(*v1alpha1.ExactMatchDataStore); ok {
			store.Spec.Columns = []v1alpha1.Column{
				{Name: "ID"}, {Name: "Alias"}, {Name: "Ward"}, {Name: "Insurer"}, {Name: "City", IsSearchable: new(false)},
			}
		}
	}
	weakTable := func() string {
		var text strings.Builder
		text.WriteString("ID,Alias,Ward,Insurer,City\n")
		for n := range 200 {
			alias, insurer := "", "not insured"
			if n%4 == 0 {
				alias = fmt.Sprintf("Sparrow %d", n)
			}
			if n%2 == 0 {
				insurer = fmt.Sprintf("Insurer %d", n)
			}
			fmt.Fprintf(&text, "P-%04d,%s,W%d,%s,Bergen\n", n, alias, n%100, insurer)
		}
		return text.String()
	}
	qualityOf := func(s *v1alpha1.ExactMatchSession) *metav1.Condition {
		return meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionDataQuality)
	}

	It("names weak columns with numbers and without a value, and stops nothing", func(ctx SpecContext) {
		w := newTestEnv(ctx, patients)
		w.file("table.csv", weakTable())
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a warning holds nothing back")
		Expect(s.Status.Columns).To(Equal([]v1alpha1.ColumnQuality{
			{Name: "ID", Distinct: 200, LargestRepetition: 1},
			{Name: "Alias", Empty: 150, Distinct: 50, LargestRepetition: 1},
			{Name: "Ward", Distinct: 100, LargestRepetition: 2, Short: 200},
			{Name: "Insurer", Distinct: 101, LargestRepetition: 100},
		}))
		c := qualityOf(s)
		Expect(c).NotTo(BeNil())
		Expect(c.Status).To(Equal(metav1.ConditionFalse))
		Expect(c.Reason).To(Equal(v1alpha1.ReasonWeakColumns))
		Expect(c.ObservedGeneration).To(Equal(s.Generation))
		Expect(c.Message).To(Equal("Alias: 75.0% of the rows are empty; " +
			"Ward: 100.0% of the values are shorter than 4 characters; " +
			"Insurer: 50.0% of the rows have the same value"))
		text, err := json.Marshal(s)
		Expect(err).NotTo(HaveOccurred())
		for _, value := range []string{"P-0001", "Sparrow", "W7", "not insured", "Insurer 2", "Bergen"} {
			Expect(string(text)).NotTo(ContainSubstring(value), "no cell stands in an object")
		}
	})

	It("is Good where every searchable column is, and follows the table that spec asks for", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 150)
		s := w.apply(desired(v1alpha1.DesiredUploaded))
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "every block is there")
		Expect(s.Status.Columns).To(Equal([]v1alpha1.ColumnQuality{
			{Name: "ID", Distinct: 150, LargestRepetition: 1, Short: 10}, {Name: "Email", Distinct: 150, LargestRepetition: 1},
		}), "City is not searchable")
		Expect(qualityOf(s)).To(HaveField("Status", metav1.ConditionTrue))
		Expect(qualityOf(s)).To(HaveField("Reason", v1alpha1.ReasonGood))

		By("dropping the report when another table is asked for")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///missing.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonSourceNotFound), "there is no such table")
		Expect(s.Status.Columns).To(BeEmpty(), "the numbers are those of another table")
		Expect(qualityOf(s)).To(BeNil())

		By("reporting on the next revision")
		w.file("small.csv", "ID,E-Mail,City\n1,a@example.com,Oslo\n2,a@example.com,Oslo\n")
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///small.csv" })
		w.comesTo(s, reached(v1alpha1.ReasonUploaded), "the next table is uploaded")
		Expect(s.Status.Columns).To(Equal([]v1alpha1.ColumnQuality{
			{Name: "ID", Distinct: 2, LargestRepetition: 1, Short: 2}, {Name: "Email", Distinct: 1, LargestRepetition: 2},
		}))
		Expect(qualityOf(s)).To(HaveField("Status", metav1.ConditionUnknown))
		Expect(qualityOf(s)).To(HaveField("Reason", v1alpha1.ReasonTooFewRows))
	})
})
