package plugin

import (
	"bytes"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

func TestCommandsReadTheCluster(t *testing.T) {
	p := newPlace(t)
	held := p.put("testdata/held-rows.yaml")
	for _, tc := range []struct {
		args  []string
		code  int
		words []string
	}{
		{[]string{"status"}, 1, []string{"NAME", held.Name, "Held", "39"}},
		{[]string{"status", held.Name, "-o", "json"}, 1, []string{`"status": "Held"`, `"rows": 39`, `"verdict": "Stalled"`}},
		{[]string{"status", "-A", "-o", "yaml"}, 1, []string{"namespace: " + p.namespace}},
		{[]string{"status", "nobody"}, 2, []string{}},
		{[]string{"why", held.Name}, 1, []string{"RowDecrease", "kubectl exactmatch approve few -n " + p.namespace + " --apply"}},
		{[]string{"why", held.Name, "-o", "json"}, 1, []string{`"waitsFor": "a decision`}},
		{[]string{"diff", held.Name}, 1, []string{"-161 (-80.5 %)", "Not known: which rows differ"}},
		{[]string{"diff", held.Name, "-o", "yaml"}, 1, []string{"same: false"}},
		{[]string{"status", "-o", "xml"}, 2, nil},
		{[]string{"status", "few", "-A"}, 2, nil},
		{[]string{"why"}, 2, nil},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			out, _, err := p.run(tc.args...)
			if code := ExitCode(err); code != tc.code {
				t.Errorf("exit code %d, want %d: %v", code, tc.code, err)
			}
			for _, word := range tc.words {
				if !strings.Contains(out, word) {
					t.Errorf("does not print %q:\n%s", word, out)
				}
			}
		})
	}
}

// TestChangesAreChangesOfSpec makes each change on a real API server and looks at spec.
func TestChangesAreChangesOfSpec(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		args []string
		spec func(before, after *v1alpha1.ExactMatchSession) bool
	}{
		"approve what is uploaded": {"uploaded", []string{"approve", "--apply"}, func(b, a *v1alpha1.ExactMatchSession) bool {
			return a.Spec.DesiredState == v1alpha1.DesiredCommitted && a.Spec.Checksum == b.Status.PreparedChecksum
		}},
		"approve what is held": {"held-rows", []string{"approve", "--apply"}, func(b, a *v1alpha1.ExactMatchSession) bool {
			return a.Spec.GuardOverride == b.Status.PreparedContent && a.Spec.DesiredState == b.Spec.DesiredState && a.Spec.Checksum == ""
		}},
		"cancel": {"uploading", []string{"cancel"}, func(_, a *v1alpha1.ExactMatchSession) bool { return a.Spec.DesiredState == v1alpha1.DesiredCancelled }},
		"renew": {"uploading", []string{"renew"}, func(b, a *v1alpha1.ExactMatchSession) bool {
			return a.Spec.RenewToken != "" && a.Spec.RenewToken != a.Status.ObservedRenewToken && a.Spec.RestartToken == b.Spec.RestartToken
		}},
		"retry": {"source-not-found", []string{"retry"}, func(_, a *v1alpha1.ExactMatchSession) bool {
			return a.Spec.RestartToken != "" && a.Spec.RestartToken != a.Status.ObservedRestartToken && a.Spec.RenewToken == ""
		}},
		"suspend": {"uploading", []string{"suspend"}, func(_, a *v1alpha1.ExactMatchSession) bool { return a.Spec.Suspend }},
		"resume":  {"suspended", []string{"resume"}, func(_, a *v1alpha1.ExactMatchSession) bool { return !a.Spec.Suspend }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			o := p.put("testdata/" + tc.file + ".yaml")
			before := p.get(o.Name)
			dry := append([]string{tc.args[0], o.Name}, "--dry-run=server")
			if tc.args[0] == "approve" {
				dry = []string{"approve", o.Name}
			}
			if out, _, err := p.run(dry...); err != nil || p.get(o.Name).ResourceVersion != before.ResourceVersion {
				t.Fatalf("a dry run changed the session, or failed: %v\n%s", err, out)
			}
			out, _, err := p.run(append([]string{tc.args[0], o.Name}, tc.args[1:]...)...)
			must(t, err)
			after := p.get(o.Name)
			if !tc.spec(before, after) {
				t.Errorf("%s\nspec is %+v", out, after.Spec)
			}
			if !managedBy(after, fieldManager) {
				t.Errorf("the change is not recorded as that of %s: %+v", fieldManager, after.ManagedFields)
			}
		})
	}
}

func managedBy(o client.Object, manager string) bool {
	for _, entry := range o.GetManagedFields() {
		if entry.Manager == manager && entry.Subresource == "" {
			return true
		}
	}
	return false
}

// TestRefusedChangesSaySo: what the lifecycle has no answer to changes nothing.
func TestRefusedChangesSaySo(t *testing.T) {
	for _, tc := range []struct{ file, command, words string }{
		{"completed", "approve", "nothing to approve"},
		{"completed", "cancel", "nothing takes back"},
		{"completed", "renew", "no remote session is unfinished"},
		{"completed", "resume", "not true"},
		{"held-key", "approve", "KeyChanged cannot be approved"},
		{"suspended", "suspend", "true already"},
		{"suspended", "retry", "resume it first"},
		{"suspended", "approve", "resume it first"},
		{"cancelled", "cancel", "Cancelled already"},
		{"cancelled", "retry", "set it to Uploaded or Committed"},
	} {
		t.Run(tc.command+" "+tc.file, func(t *testing.T) {
			p := newPlace(t)
			o := p.put("testdata/" + tc.file + ".yaml")
			args := []string{tc.command, o.Name}
			if tc.command == "approve" {
				args = append(args, "--apply")
			}
			before := p.get(o.Name).ResourceVersion
			_, _, err := p.run(args...)
			if ExitCode(err) != exitNo || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("exit code %d: %v", ExitCode(err), err)
			}
			if p.get(o.Name).ResourceVersion != before {
				t.Error("the session was changed")
			}
		})
	}
}

// TestGitOpsIsWarnedOf applies a session as Flux does. What Git sets comes back at the
// next sync, and the plugin said so; what Git does not set stays.
func TestGitOpsIsWarnedOf(t *testing.T) {
	p := newPlace(t)
	o := captured(t, "testdata/uploaded.yaml").session
	git := func() *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "exactmatch.dev/v1alpha1", "kind": "ExactMatchSession",
			"metadata": map[string]any{"name": o.Name, "namespace": p.namespace, "labels": map[string]any{
				"kustomize.toolkit.fluxcd.io/name": "tables", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
			}},
			"spec": map[string]any{
				"dataStoreRef": map[string]any{"name": "staff"}, "desiredState": "Uploaded", "source": map[string]any{"uri": "file:///more.csv"},
			},
		}}
		return u
	}
	sync := func() {
		t.Helper()
		must(t, p.kube.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(git()), client.FieldOwner("kustomize-controller"), client.ForceOwnership))
	}
	sync()
	live := p.get(o.Name)
	live.Status = o.Status
	live.Status.ObservedGeneration = live.Generation
	must(t, p.kube.Status().Update(t.Context(), live))

	_, warned, err := p.run("approve", o.Name, "--apply")
	must(t, err)
	for _, words := range []string{"Flux (Kustomization flux-system/tables) owns spec.desiredState", "does not set spec.checksum"} {
		if !strings.Contains(warned, words) {
			t.Errorf("the warning does not say %q: %s", words, warned)
		}
	}
	if got := p.get(o.Name).Spec.DesiredState; got != v1alpha1.DesiredCommitted {
		t.Fatalf("desiredState is %s", got)
	}
	sync()
	after := p.get(o.Name).Spec
	if after.DesiredState != v1alpha1.DesiredUploaded || after.Checksum == "" {
		t.Errorf("after the sync desiredState is %s and checksum %q: the warning is wrong", after.DesiredState, after.Checksum)
	}
}

// TestFluxDoesNotTakeOverOurFields: Flux removes what field managers with the prefix
// "kubectl" have set. A token that is removed would be another request.
func TestFluxDoesNotTakeOverOurFields(t *testing.T) {
	for _, prefix := range []string{"kubectl", "before-first-apply"} {
		if strings.HasPrefix(fieldManager, prefix) {
			t.Errorf("Flux takes over the fields of %s", fieldManager)
		}
	}
}

// TestWatchFollowsToTheEnd changes the status as the operator does.
func TestWatchFollowsToTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"lines": {nil, []string{"Uploading 56%", "Uploading 90%", "Completed"}},
		"json":  {[]string{"-o", "json"}, []string{`"progress":"56%"`, `"progress":"90%"`, `"status":"Completed"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			o := p.put("testdata/uploading.yaml")
			seen := &written{}
			ended := make(chan error, 1)
			go func() {
				c := Root()
				c.SetArgs(append([]string{"status", o.Name, "--watch", "--timeout", "30s", "--kubeconfig", p.kubeconfig, "-n", p.namespace}, tc.args...))
				c.SetOut(seen)
				ended <- c.ExecuteContext(t.Context())
			}()
			seen.await(t, tc.want[0])
			p.report(o.Name, v1alpha1.ReasonUploading, "90%")
			seen.await(t, tc.want[1])
			p.report(o.Name, v1alpha1.ReasonCompleted, "100%")
			must(t, <-ended)
			if !strings.Contains(seen.String(), tc.want[2]) {
				t.Errorf("the end is not shown:\n%s", seen.String())
			}
		})
	}
}

// report writes what the operator would say.
func (p *place) report(name, reason, progress string) {
	p.t.Helper()
	o := p.get(name)
	o.Status.Progress = progress
	finished := metav1.ConditionFalse
	if reason == v1alpha1.ReasonCompleted {
		finished = metav1.ConditionTrue
		meta.SetStatusCondition(&o.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: finished, Reason: reason})
	}
	meta.SetStatusCondition(&o.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionFinished, Status: finished, Reason: reason})
	must(p.t, p.kube.Status().Update(p.t.Context(), o))
}

// TestWatchEnds: a watch that nothing ends is an error, and so is a session that goes.
func TestWatchEnds(t *testing.T) {
	p := newPlace(t)
	o := p.put("testdata/uploading.yaml")
	if _, _, err := p.run("status", o.Name, "-w", "--timeout", "300ms"); ExitCode(err) != exitError || !strings.Contains(err.Error(), "--timeout") {
		t.Errorf("after the timeout: %v", err)
	}
	ended := make(chan error, 1)
	seen := &written{}
	go func() {
		c := Root()
		c.SetArgs([]string{"status", o.Name, "-w", "--kubeconfig", p.kubeconfig, "-n", p.namespace})
		c.SetOut(seen)
		ended <- c.ExecuteContext(t.Context())
	}()
	seen.await(t, "Uploading")
	must(t, p.kube.Delete(t.Context(), o))
	if err := <-ended; ExitCode(err) != exitError || !strings.Contains(err.Error(), "was deleted") {
		t.Errorf("after the deletion: %v", err)
	}
}

// TestAViewerReadsAndIsRefused: get and list of sessions alone are enough for why, and a
// change says which right is missing.
func TestAViewerReadsAndIsRefused(t *testing.T) {
	p := newPlace(t)
	o := p.put("testdata/held-rows.yaml")
	must(t, p.kube.Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer", Namespace: p.namespace},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"exactmatch.dev"}, Resources: []string{"exactmatchsessions"}, Verbs: []string{"get", "list", "watch"}}},
	}))
	must(t, p.kube.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer", Namespace: p.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "viewer"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "viewer"}},
	}))
	p.kubeconfig = p.configOf("viewer")
	if out, _, err := p.run("why", o.Name); ExitCode(err) != exitNo || !strings.Contains(out, "RowDecrease") {
		t.Errorf("why: %v\n%s", err, out)
	}
	if _, _, err := p.run("approve", o.Name, "--apply"); ExitCode(err) != exitError || !strings.Contains(err.Error(), "verb patch") {
		t.Errorf("approve: %v", err)
	}
	if _, _, err := p.run("diff", o.Name); ExitCode(err) != exitError || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("diff needs the data store: %v", err)
	}
}

// TestNamesAreCompleted asks the cluster as a shell does.
func TestNamesAreCompleted(t *testing.T) {
	p := newPlace(t)
	o := p.put("testdata/held-rows.yaml")
	var out bytes.Buffer
	c := Root()
	c.SetArgs([]string{"__complete", "why", "--kubeconfig", p.kubeconfig, "-n", p.namespace, ""})
	c.SetOut(&out)
	c.SetErr(&bytes.Buffer{})
	must(t, c.ExecuteContext(t.Context()))
	if !strings.HasPrefix(out.String(), o.Name+"\tHeld\n") {
		t.Errorf("completion offers:\n%s", out.String())
	}
}
