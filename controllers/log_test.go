package controllers_test

import (
	"net/http"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"exactmatch.dev/operator/api/v1alpha1"
)

// logOf are the lines of the manager's log about the environment's objects of a kind.
func (w *testEnv) logOf(kind string) []string {
	var lines []string
	for _, line := range managerLines.about(w.namespace) {
		if strings.Contains(line, `"`+kind+`"={`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// loggedSteps are the steps that the log names of the environment's session, in order.
func (w *testEnv) loggedSteps() []string {
	step := regexp.MustCompile(`"step"="(\w+)"`)
	var steps []string
	for _, line := range w.logOf("ExactMatchSession") {
		if found := step.FindStringSubmatch(line); found != nil {
			steps = append(steps, found[1])
		}
	}
	return steps
}

var _ = Describe("The manager's log", func() {
	It("has one line for each step of a session", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		s := w.apply()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "a good table goes live")
		Eventually(w.loggedSteps).Should(ContainElement("Completed"), "the log follows status")
		lines, steps := w.logOf("ExactMatchSession"), w.loggedSteps()
		Expect(steps).To(HaveLen(len(lines)), "every line is of a step")
		Expect(steps).To(ContainElements("Prepare", "Plan", "Create", "Upload", "Commit", "Completed"))
		for i := range lines {
			Expect(lines[i]).To(containAll(`"reason"=`, `"situation"=`, `"desired"="Committed"`, `"took"=`, `"next"=`, `"revision"=`, `"attempt"=`, `"remoteID"=`,
				`"namespace"="`+w.namespace+`"`, `"name"="session"`))
		}
		Expect(lines[len(lines)-1]).To(containAll(`"step"="Completed"`, `"reason"="Completed"`, `"situation"="Completed"`, `"revision"=1`, `"attempt"=1`, `"remoteID"="`+s.Status.ID+`"`))
		Expect(len(lines)).To(BeNumerically("<=", 12), "%q", steps)
		Consistently(w.logOf).WithArguments("ExactMatchSession").Should(HaveLen(len(lines)), "a look that changes nothing is not logged")
	})

	It("tells once of a fault that lasts", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		front.answer(refuse(http.StatusServiceUnavailable, posts("/commit")))
		s := w.apply()
		failures := func() (int32, error) { err := w.gets(s); return s.Status.ConsecutiveFailures, err }
		Eventually(failures).Should(BeNumerically(">=", 3), "the commit is tried again and again")
		Expect(w.logged("ExactMatchSession", v1alpha1.ReasonServiceUnavailable)()).To(Equal(1), "the log does not repeat it")
		front.heal()
		w.comesTo(s, reached(v1alpha1.ReasonCompleted), "the service is back")
		Eventually(w.loggedSteps).Should(ContainElement("Completed"), "the log goes on")
	})

	It("tells of a data store and an upload agent once for each change", func(ctx SpecContext) {
		w := newTestEnv(ctx)
		w.table("table.csv", 30)
		w.comesTo(w.apply(), reached(v1alpha1.ReasonCompleted), "a good table goes live")
		for _, kind := range []string{"ExactMatchDataStore", "ExactMatchUploadAgent"} {
			Eventually(w.logged(kind, v1alpha1.ReasonReady)).Should(Equal(1), "it is ready")
			Consistently(w.logged(kind, v1alpha1.ReasonReady)).Should(Equal(1), "nothing has changed")
		}
	})
})
