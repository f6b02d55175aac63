package plugin

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// rows makes a table with n good rows for the schema of the captured data store.
func rows(n int) string {
	var text strings.Builder
	text.WriteString("Badge,Name\n")
	for i := range n {
		fmt.Fprintf(&text, "%06d,Person number %d\n", i, i)
	}
	return text.String()
}

// TestASmallFileIsUploaded makes the session as a person does, and ends it as the
// operator does.
func TestASmallFileIsUploaded(t *testing.T) {
	for name, n := range map[string]int{"as it is": 300, "compressed": 60000} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			store := p.put("testdata/held-rows.yaml").Spec.DataStoreRef.Name
			text := rows(n)
			table, _ := files(t, text, "")
			seen, ended := &written{}, make(chan error, 1)
			go func() {
				c := Root()
				c.SetArgs([]string{"upload", table, "--store", store, "--name", "up", "--in-configmap", "--commit", "--timeout", "30s", "--kubeconfig", p.kubeconfig, "-n", p.namespace})
				c.SetOut(seen)
				ended <- c.ExecuteContext(t.Context())
			}()
			seen.await(t, "up: Pending")
			o := p.get("up")
			kept := &corev1.ConfigMap{}
			must(t, p.kube.Get(t.Context(), client.ObjectKey{Namespace: p.namespace, Name: o.Spec.Source.ConfigMapKeyRef.Name}, kept))
			stored := kept.BinaryData[o.Spec.Source.ConfigMapKeyRef.Key]
			if checksumOf(stored) != o.Spec.Checksum || n < 1000 && string(stored) != text || len(stored) > mostStored {
				t.Errorf("%d bytes are stored, and spec.checksum is %s", len(stored), o.Spec.Checksum)
			}
			if len(kept.OwnerReferences) != 1 || kept.OwnerReferences[0].UID != o.UID {
				t.Errorf("the table stays when the session is deleted: %+v", kept.OwnerReferences)
			}
			if o.Spec.DesiredState != v1alpha1.DesiredCommitted || o.Spec.FileName != "staff.csv" {
				t.Errorf("spec is %+v", o.Spec)
			}
			p.finish("up")
			must(t, <-ended)
		})
	}
}

// finish is what the operator writes at the end.
func (p *place) finish(name string) {
	p.t.Helper()
	o := p.get(name)
	o.Status.ObservedGeneration = o.Generation
	must(p.t, p.kube.Status().Update(p.t.Context(), o))
	p.report(name, v1alpha1.ReasonCompleted, "100%")
}

// TestATableAtAURIIsReadThere: the session names it, waits for an approval, and nothing
// is stored.
func TestATableAtAURIIsReadThere(t *testing.T) {
	p := newPlace(t)
	store := p.put("testdata/held-rows.yaml").Spec.DataStoreRef.Name
	_, _, err := p.run("upload", "s3://exports/staff.csv", "--store", store, "--name", "up", "--credentials-secret", "s3", "--delimiter", ";", "--timeout", "200ms")
	if ExitCode(err) != exitError || !strings.Contains(err.Error(), "--timeout") {
		t.Fatal(err)
	}
	spec := p.get("up").Spec
	if spec.Source.URI != "s3://exports/staff.csv" || spec.Source.CredentialsSecretRef.Name != "s3" || spec.Source.Format.Delimiter != ";" || spec.DesiredState != v1alpha1.DesiredUploaded {
		t.Errorf("spec is %+v", spec)
	}
}

// TestWhatIsNotUploadedLeavesNothing: neither a session nor a table.
func TestWhatIsNotUploadedLeavesNothing(t *testing.T) {
	p := newPlace(t)
	held := p.put("testdata/held-rows.yaml")
	for name, tc := range map[string]struct {
		text  string
		args  []string
		code  int
		words string
	}{
		"not allowed":       {rows(300), nil, exitError, "--in-configmap"},
		"held by a guard":   {rows(3), []string{"--in-configmap"}, exitNo, "nothing was uploaded"},
		"bad rows":          {rows(300) + "a,b,c\n", []string{"--in-configmap"}, exitNo, "nothing was uploaded"},
		"too large":         {rows(60000), []string{"--in-configmap", "--compression", "None"}, exitError, "bucket"},
		"the name is taken": {rows(300), []string{"--in-configmap", "--name", held.Name}, exitError, "already exists"},
		"no such store":     {rows(300), []string{"--in-configmap", "--store", "nobody"}, exitError, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			table, _ := files(t, tc.text, "")
			_, _, err := p.run(append([]string{"upload", table, "--store", held.Spec.DataStoreRef.Name}, tc.args...)...)
			if ExitCode(err) != tc.code || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("exit code %d: %v", ExitCode(err), err)
			}
			var sessions v1alpha1.ExactMatchSessionList
			must(t, p.kube.List(t.Context(), &sessions, client.InNamespace(p.namespace)))
			kept := &corev1.ConfigMap{}
			err = p.kube.Get(t.Context(), client.ObjectKey{Namespace: p.namespace, Name: held.Name + "-table"}, kept)
			if len(sessions.Items) != 1 || !apierrors.IsNotFound(err) {
				t.Errorf("%d sessions are left, and the table: %v", len(sessions.Items), err)
			}
		})
	}
}
