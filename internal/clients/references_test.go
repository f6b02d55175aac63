package clients

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/problem"
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
	all := New(server, Options{})
	wants := func(r *Reader, want string) {
		t.Helper()
		got, err := r.Secret(t.Context(), "key", "value")
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	wants(all.Recent("here"), "old")
	wants(all.Recent("there"), "other")
	server["here/key"] = "new"
	wants(all.Recent("here"), "old")
	wants(all.Fresh("here"), "new")
	wants(all.Recent("here"), "new")
	wants(all.Recent("there"), "other")
	delete(server, "here/key")
	if _, err := all.Fresh("here").Secret(t.Context(), "key", "value"); err == nil || !strings.Contains(err.Error(), `"key" does not exist`) {
		t.Errorf("a Secret that is gone is read: %v", err)
	}
	if _, err := all.Recent("here").Secret(t.Context(), "key", "value"); err == nil {
		t.Error("a Secret that is known to be gone is remembered")
	}
	server["here/key"] = "again"
	wants(all.Recent("here"), "again")
}

func TestLargeReferencesAreNotKept(t *testing.T) {
	server := secretsOf{"here/key": strings.Repeat("x", referenceSize+1)}
	all := New(server, Options{})
	if _, err := all.Recent("here").Secret(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	server["here/key"] = "small"
	if got, err := all.Recent("here").Secret(t.Context(), "key", "value"); err != nil || string(got) != "small" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// typedSecrets is an API server whose every Secret has one type.
type typedSecrets corev1.SecretType

func (s typedSecrets) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	secret := into.(*corev1.Secret)
	secret.Type, secret.Data = corev1.SecretType(s), map[string][]byte{"value": []byte("not-for-strangers")}
	return nil
}

func (s typedSecrets) List(context.Context, client.ObjectList, ...client.ListOption) error {
	panic("a reader of references lists nothing")
}

func TestSecretsOfTheClusterAreRefused(t *testing.T) {
	for kind, allowed := range map[corev1.SecretType]bool{
		"kubernetes.io/service-account-token": false, "bootstrap.kubernetes.io/token": false,
		"kubernetes.io/dockercfg": false, "kubernetes.io/dockerconfigjson": false, "helm.sh/release.v1": false,
		"Opaque": true, "": true, "kubernetes.io/basic-auth": true, "kubernetes.io/tls": true, "example.com/token": true,
	} {
		all := New(typedSecrets(kind), Options{})
		for range 2 { // the second read is remembered
			value, err := all.Recent("here").Secret(t.Context(), "mine", "value")
			if allowed {
				if err != nil || string(value) != "not-for-strangers" {
					t.Errorf("%q: got %q, %v", kind, value, err)
				}
				continue
			}
			var p *problem.Problem
			if !errors.As(err, &p) || value != nil || p.Reason != v1alpha1.ReasonSecretTypeRefused || p.Remedy != problem.Repair ||
				!strings.Contains(p.Message, `"mine"`) || !strings.Contains(p.Message, string(kind)) || !strings.Contains(p.Message, "Opaque") {
				t.Errorf("%q: got %q, %v", kind, value, err)
			}
		}
	}
}
