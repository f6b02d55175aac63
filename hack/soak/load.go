package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// prepare makes the agent and the Secrets.
func (s *stack) prepare(ctx context.Context) error {
	secret := func(name, key string) (*corev1.Secret, error) {
		value, err := os.ReadFile(s.path(key))
		return &corev1.Secret{ObjectMeta: named(name), Data: map[string][]byte{key: value}}, err
	}
	token, err := secret("token", "token")
	if err != nil {
		return err
	}
	key, err := secret("key", "key")
	if err != nil {
		return err
	}
	agent := &v1alpha1.ExactMatchUploadAgent{ObjectMeta: named("agent"), Spec: v1alpha1.ExactMatchUploadAgentSpec{
		Endpoint: s.endpoint, Auth: v1alpha1.Auth{BearerTokenSecretRef: &v1alpha1.TokenReference{Name: "token"}},
		Allow: v1alpha1.Allow{Hosts: []string{"127.0.0.1"}},
	}}
	for _, o := range []client.Object{token, key, agent} {
		if err := s.kube.Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) makeStore(ctx context.Context, name string) error {
	return s.kube.Create(ctx, &v1alpha1.ExactMatchDataStore{ObjectMeta: named(name), Spec: v1alpha1.ExactMatchDataStoreSpec{
		UploadAgentRef: v1alpha1.LocalReference{Name: "agent"}, KeySecretRef: v1alpha1.SecretKeyReference{Name: "key"},
		// Tables shrink and grow here.
		Guards:  v1alpha1.Guards{MaxRowDecreasePercent: 100, MaxUnfindablePercent: 100},
		Columns: []v1alpha1.Column{{Name: "ID"}, {Name: "Email", IsCaseInsensitive: true}},
	}})
}

// tables are the editions of the files that sessions read.
type tables struct {
	mu      sync.Mutex
	edition map[string]int
}

// write puts the next edition of a table into its place.
func (t *tables) write(folder, name string, rows int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.edition == nil {
		t.edition = map[string]int{}
	}
	t.edition[name]++
	var text strings.Builder
	text.WriteString("ID,Email\n")
	for n := range rows {
		fmt.Fprintf(&text, "%s\n", t.row(name, n))
	}
	next := filepath.Join(folder, "."+name)
	if err := os.WriteFile(next, []byte(text.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(folder, name+".csv"))
}

// row is a line of the present edition. t.mu is held.
func (t *tables) row(name string, n int) string {
	return fmt.Sprintf("%s,%s-%d-%d@example.com", t.id(name, n), name, t.edition[name], n)
}

// id is the cell that tells the edition. t.mu is held.
func (t *tables) id(name string, n int) string {
	return fmt.Sprintf("%s/%d/%d", name, t.edition[name], n)
}

// first is the id of the first row of the present edition.
func (t *tables) first(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id(name, 0)
}

func (s *stack) makeSession(ctx context.Context, name, store string) error {
	return s.kube.Create(ctx, &v1alpha1.ExactMatchSession{ObjectMeta: named(name), Spec: v1alpha1.ExactMatchSessionSpec{
		DataStoreRef: v1alpha1.LocalReference{Name: store}, Source: v1alpha1.Source{URI: "file:///" + name + ".csv"},
		RowsPerBlock: 2000, DesiredState: v1alpha1.DesiredCommitted,
	}})
}

// change writes another edition of a session's table and asks for it to be read.
func (s *stack) change(ctx context.Context, t *tables, name string) error {
	if err := t.write(s.sources(), name, 2000+rand.IntN(40_000)); err != nil { //nolint:gosec // a size
		return err
	}
	return s.restart(ctx, name)
}

// restart has a session read its table again.
func (s *stack) restart(ctx context.Context, name string) error {
	one := &v1alpha1.ExactMatchSession{ObjectMeta: named(name)}
	patch := fmt.Sprintf(`{"spec":{"restartToken":"%d"}}`, rand.Int64()) //nolint:gosec // another one than before
	return s.kube.Patch(ctx, one, client.RawPatch("application/merge-patch+json", []byte(patch)))
}
