package controllers_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/edm"
)

var _ = Describe("The lines of a table", func() {
	It("are all counted in status", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.file("table.csv", "sep=,\nReport of June\n\nID,E-Mail,City\n1,a@example.com,Oslo\n\n,,\n2,b@example.com\n"+strings.Repeat("3,c@example.com,Oslo\n", 20)+"\x1a")
		s := w.apply(func(s *v1alpha1.ExactMatchSession) {
			s.Spec.BadRows.MaxPercent, s.Spec.Source.Format.SkipLines = 10, 2
		})
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "one bad line of 22 is allowed")
		Expect(s.Status.Rows).To(HaveValue(BeEquivalentTo(21)))
		Expect(s.Status.SkippedLines).To(HaveValue(BeEquivalentTo(2)))
		Expect(s.Status.BlankLines).To(HaveValue(BeEquivalentTo(4)))
		Expect(s.Status.BadRows).To(HaveValue(Equal(v1alpha1.BadRows{Count: 1, Lines: 1, Samples: []string{"row 2 (line 8) has 2 cells, the header has 3: WrongNumberOfCells"}})))
	})

	It("are refused where a quote takes rows away, with what to set", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.file("table.csv", "ID\tE-Mail\tCity\n1\ta@example.com\t\"Oslo\n2\tb@example.com\tLima\n3\tc@example.com\tRome\"\n4\td@example.com\tPune\n")
		s := w.apply(func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.Format.Delimiter = "\t" })
		w.comesTo(s, stuck(v1alpha1.ReasonTooManyBadRows), "row 1 would end in row 3")
		Expect(message(s)).To(And(ContainSubstring("row 1 (line 2): SwallowedRows"), ContainSubstring("format.quoting to None"), ContainSubstring("RFC4180")))
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.Format.Quoting = "None" })
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a quote is a character now")
		Expect(s.Status.Rows).To(HaveValue(BeEquivalentTo(4)))
	})

	It("are read up to bytes behind the last gzip member, which are counted", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write([]byte("ID,E-Mail,City\n" + strings.Repeat("P-1,p@example.com,Oslo\n", 10)))
		Expect(errors.Join(err, z.Close())).To(Succeed())
		w.file("table.csv", packed.String()+"trailer")
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the member is whole")
		Expect(s.Status.TrailingBytes).To(BeEquivalentTo(7))
		Expect(meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionDataQuality)).To(HaveValue(And(
			HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonTrailingBytes), HaveField("Message", ContainSubstring("7 bytes")))))
	})

	It("without a value do not hide a loss of rows from the guards", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 50)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		w.file("second.csv", "ID,E-Mail,City\n"+strings.Repeat("P-1,p@example.com,Oslo\n", 10)+strings.Repeat(",,\n", 40))
		w.change(s, func(s *v1alpha1.ExactMatchSession) { s.Spec.Source.URI = "file:///second.csv" })
		w.comesTo(s, stuck(v1alpha1.ReasonHeld), "10 rows stand where 50 are live")
		Expect(message(s)).To(ContainSubstring("RowDecrease: the table has 10 rows and the live one 50"))
		Expect(s.Status.BlankLines).To(HaveValue(BeEquivalentTo(40)))
		Expect(w.states()).To(Equal([]edm.State{edm.StateCompleted}))
	})
})
