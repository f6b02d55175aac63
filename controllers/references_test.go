package controllers

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// secretsOf is an API server that has one value for each name.
type secretsOf map[string]string

func (s secretsOf) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	value, ok := s[key.String()]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	into.(*corev1.Secret).Data = map[string][]byte{"value": []byte(value)}
	return nil
}

func (s secretsOf) List(context.Context, client.ObjectList, ...client.ListOption) error {
	panic("a reader of references lists nothing")
}

func TestReferencesAreReadOnceAndAfresh(t *testing.T) {
	server := secretsOf{"here/key": "old", "there/key": "other"}
	all := newReferences(server)
	wants := func(r *referenceReader, want string) {
		t.Helper()
		got, err := r.secret(t.Context(), "key", "value")
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	wants(all.of("here"), "old")
	wants(all.of("there"), "other")
	server["here/key"] = "new"
	wants(all.of("here"), "old")
	wants(all.afresh("here"), "new")
	wants(all.of("here"), "new")
	wants(all.of("there"), "other")
	delete(server, "here/key")
	if _, err := all.afresh("here").secret(t.Context(), "key", "value"); err == nil || !strings.Contains(err.Error(), `"key" does not exist`) {
		t.Errorf("a Secret that is gone is read: %v", err)
	}
	if _, err := all.of("here").secret(t.Context(), "key", "value"); err == nil {
		t.Error("a Secret that is known to be gone is remembered")
	}
	server["here/key"] = "again"
	wants(all.of("here"), "again")
}

func TestLargeReferencesAreNotKept(t *testing.T) {
	server := secretsOf{"here/key": strings.Repeat("x", referenceSize+1)}
	all := newReferences(server)
	if _, err := all.of("here").secret(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	server["here/key"] = "small"
	if got, err := all.of("here").secret(t.Context(), "key", "value"); err != nil || string(got) != "small" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
