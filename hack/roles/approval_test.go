package roles_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

type edit = func(*v1alpha1.ExactMatchSessionSpec)

// approval is the policy at work in a namespace with an editor and an approver.
type approval struct {
	Gomega
	t                *testing.T
	namespace        string
	editor, approver client.Client
}

func newApproval(t *testing.T, namespace string) *approval {
	t.Helper()
	a := &approval{Gomega: NewWithT(t), t: t, namespace: namespace}
	a.Expect(kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}})).To(Succeed())
	for _, o := range manifests(t, "components/admission-policy") {
		a.Expect(kube.Create(t.Context(), o)).To(Succeed())
		t.Cleanup(func() { a.Expect(kube.Delete(context.Background(), o)).To(Succeed()) })
	}
	// What the cluster's role edit gains, and the role of approvers.
	var editing []rbacv1.PolicyRule
	for _, o := range manifests(t, "default") {
		if o.GetLabels()["rbac.authorization.k8s.io/aggregate-to-edit"] == "true" {
			editing = append(editing, roleOf(t, o).Rules...)
		}
	}
	a.Expect(kube.Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "edit"}, Rules: editing})).To(Succeed())
	a.binds("edit", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "edit"}, "editor", "approver")
	a.binds("approve", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "approver"}, "approver")
	a.editor, a.approver = a.as("editor"), a.as("approver")
	a.Eventually(func() error {
		return a.editor.Create(t.Context(), a.session("probe", wants(v1alpha1.DesiredUploaded)), client.DryRunAll)
	}, patience, 20*time.Millisecond).Should(Succeed(), "the roles are in force")
	a.Eventually(func() error {
		return a.editor.Create(t.Context(), a.session("probe", wants(v1alpha1.DesiredCommitted)), client.DryRunAll)
	}, patience, 20*time.Millisecond).ShouldNot(Succeed(), "the policy is in force")
	return a
}

func (a *approval) binds(name string, ref rbacv1.RoleRef, users ...string) {
	a.t.Helper()
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: name}, RoleRef: ref}
	for _, user := range users {
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user})
	}
	a.Expect(kube.Create(a.t.Context(), binding)).To(Succeed())
}

// as is a client of a user.
func (a *approval) as(user string) client.Client {
	a.t.Helper()
	as := rest.CopyConfig(admin)
	as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	c, err := client.New(as, client.Options{Scheme: scheme})
	a.Expect(err).NotTo(HaveOccurred())
	return c
}

func (a *approval) session(name string, edits ...edit) *v1alpha1.ExactMatchSession {
	s := &v1alpha1.ExactMatchSession{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: name}}
	s.Spec.DataStoreRef.Name, s.Spec.Source.URI = "store", "https://example.com/t.csv"
	for _, e := range edits {
		e(&s.Spec)
	}
	return s
}

func wants(state v1alpha1.DesiredState) edit {
	return func(s *v1alpha1.ExactMatchSessionSpec) { s.DesiredState = state }
}

const otherContent = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var (
	committed = wants(v1alpha1.DesiredCommitted)
	uploaded  = wants(v1alpha1.DesiredUploaded)
	released  = func(s *v1alpha1.ExactMatchSessionSpec) { s.GuardOverride = otherContent }
	nextTable = func(s *v1alpha1.ExactMatchSessionSpec) { s.Source.URI = "https://example.com/next.csv" }
)

func leaves(policy v1alpha1.SessionDeletionPolicy) edit {
	return func(s *v1alpha1.ExactMatchSessionSpec) { s.DeletionPolicy = policy }
}

// TestApproval says who may do what under the policy: every change, as it is made
// by an editor and by an approver.
func TestApproval(t *testing.T) {
	a := newApproval(t, "approval")
	for name, tc := range map[string]struct {
		before []edit // nil: the session is created with change
		change []edit
		free   bool   // an editor may
		field  string // that the refusal names
	}{
		"create to upload":                   {change: []edit{uploaded}, free: true},
		"create to cancel":                   {change: []edit{wants(v1alpha1.DesiredCancelled)}, free: true},
		"create committed":                   {change: []edit{committed}, field: "spec.desiredState"},
		"create, committed by default":       {change: []edit{}, field: "spec.desiredState"},
		"create past the guards":             {change: []edit{uploaded, released}, field: "spec.guardOverride"},
		"create to be orphaned":              {change: []edit{uploaded, leaves(v1alpha1.SessionDeletionPolicyOrphan)}, field: "spec.deletionPolicy"},
		"create to be cancelled at deletion": {change: []edit{uploaded, leaves(v1alpha1.SessionDeletionPolicyCancel)}, free: true},

		"commit":                          {before: []edit{uploaded}, change: []edit{committed}, field: "spec.desiredState"},
		"commit what was cancelled":       {before: []edit{wants(v1alpha1.DesiredCancelled)}, change: []edit{committed}, field: "spec.desiredState"},
		"take a commit back":              {before: []edit{committed}, change: []edit{uploaded}, free: true},
		"cancel":                          {before: []edit{committed}, change: []edit{wants(v1alpha1.DesiredCancelled)}, free: true},
		"suspend":                         {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.Suspend = true }}, free: true},
		"renew":                           {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.RenewToken = "now" }}, free: true},
		"release from the guards":         {before: []edit{uploaded}, change: []edit{released}, field: "spec.guardOverride"},
		"keep a release":                  {before: []edit{uploaded, released}, change: []edit{nextTable}, free: true},
		"take a release back":             {before: []edit{uploaded, released}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.GuardOverride = "" }}, free: true},
		"delete with the object":          {before: []edit{uploaded}, change: []edit{leaves(v1alpha1.SessionDeletionPolicyDelete)}, field: "spec.deletionPolicy"},
		"no longer delete":                {before: []edit{uploaded, leaves(v1alpha1.SessionDeletionPolicyDelete)}, change: []edit{leaves(v1alpha1.SessionDeletionPolicyCancel)}, field: "spec.deletionPolicy"},
		"edit what is uploaded":           {before: []edit{uploaded}, change: []edit{nextTable, func(s *v1alpha1.ExactMatchSessionSpec) { s.RestartToken, s.RowsPerBlock = "2", 5 }}, free: true},
		"replace what was approved":       {before: []edit{committed}, change: []edit{nextTable}, field: "source"},
		"leave out what was approved":     {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.Fields = []string{"ID"} }}, field: "fields"},
		"read again what was approved":    {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.RestartToken = "2" }}, field: "restartToken"},
		"pin other than what was":         {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.Checksum = otherContent }}, field: "checksum"},
		"allow more bad rows than before": {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.BadRows.MaxPercent = 90 }}, field: "badRows"},
		"cut other blocks":                {before: []edit{committed}, change: []edit{func(s *v1alpha1.ExactMatchSessionSpec) { s.RowsPerBlock = 7 }}, field: "rowsPerBlock"},
		"the next table, to be approved":  {before: []edit{committed}, change: []edit{nextTable, uploaded}, free: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := a.attempt(t, a.editor, tc.before, tc.change)
			if tc.free {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
			g.Expect(err).To(MatchError(And(ContainSubstring(tc.field), ContainSubstring(`"approve"`), ContainSubstring("approver"))))
			g.Expect(a.attempt(t, a.approver, tc.before, tc.change)).To(Succeed(), "an approver may")
		})
	}
}

// attempt makes one change as a user: to a session that an administrator has made,
// or of one that is not there.
func (a *approval) attempt(t *testing.T, as client.Client, before, change []edit) error {
	t.Helper()
	if before == nil {
		return as.Create(t.Context(), a.session("session", change...), client.DryRunAll)
	}
	s := a.session("session", before...)
	a.Expect(kube.Create(t.Context(), s)).To(Succeed())
	defer func() { a.Expect(kube.Delete(t.Context(), s)).To(Succeed()) }()
	was := s.DeepCopy()
	for _, e := range change {
		e(&s.Spec)
	}
	return as.Patch(t.Context(), s, client.MergeFrom(was))
}

// TestApprovalOfSchedules: an editor gains nothing by a schedule, although the manager
// makes its sessions.
func TestApprovalOfSchedules(t *testing.T) {
	a := newApproval(t, "approval-of-schedules")
	plan := func(edits ...edit) *v1alpha1.ExactMatchSchedule {
		s := &v1alpha1.ExactMatchSchedule{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "schedule"}}
		s.Spec.Schedule, s.Spec.SessionTemplate.Spec = "@daily", a.session("", edits...).Spec
		return s
	}
	a.Eventually(func() error { return a.editor.Create(t.Context(), plan(committed), client.DryRunAll) }, patience, 20*time.Millisecond).
		ShouldNot(Succeed(), "the policy is in force")
	a.Expect(a.editor.Create(t.Context(), plan(uploaded), client.DryRunAll)).To(Succeed())
	for field, edits := range map[string][]edit{
		"spec.sessionTemplate.spec.desiredState":   {committed},
		"spec.sessionTemplate.spec.guardOverride":  {uploaded, released},
		"spec.sessionTemplate.spec.deletionPolicy": {uploaded, leaves(v1alpha1.SessionDeletionPolicyDelete)},
	} {
		err := a.editor.Create(t.Context(), plan(edits...), client.DryRunAll)
		a.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		a.Expect(err).To(MatchError(And(ContainSubstring(field), ContainSubstring(`"approve"`))))
		a.Expect(a.approver.Create(t.Context(), plan(edits...), client.DryRunAll)).To(Succeed())
	}
	approved := plan(committed)
	a.Expect(a.approver.Create(t.Context(), approved)).To(Succeed())
	before := approved.DeepCopy()
	approved.Spec.Schedule, approved.Spec.RunNow, approved.Spec.Suspend = "@weekly", "now", true
	a.Expect(a.editor.Patch(t.Context(), approved, client.MergeFrom(before))).To(Succeed(), "its times are the editor's")
	before = approved.DeepCopy()
	nextTable(&approved.Spec.SessionTemplate.Spec)
	err := a.editor.Patch(t.Context(), approved, client.MergeFrom(before))
	a.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
}
