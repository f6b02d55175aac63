package keeper_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/certificate/keeper"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/plane"
)

const (
	secretName    = "exactmatch-service-tls"
	authorityName = secretName + "-authority"
	dnsName       = "exactmatch-service.exactmatch-system.svc"
)

// config is that of an API server.
var config *rest.Config

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	environment, err := plane.New()
	if err == nil {
		config, err = environment.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	config.QPS = -1
	return m.Run()
}

// place is a namespace with a keeper at a time.
type place struct {
	*testing.T
	kube client.WithWatch
	name string
	now  time.Time
	log  *bytes.Buffer
	one  *keeper.Keeper
}

func newPlace(t *testing.T) *place {
	t.Helper()
	kube, err := client.NewWithWatch(config, client.Options{})
	testkit.Must(t, err)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "keeper-"}}
	testkit.Must(t, kube.Create(t.Context(), namespace))
	p := &place{T: t, kube: kube, name: namespace.Name, now: time.Now(), log: &bytes.Buffer{}}
	p.one = p.keeper(kube)
	return p
}

func (p *place) keeper(kube client.Client) *keeper.Keeper {
	return &keeper.Keeper{Client: kube, Namespace: p.name, Name: secretName, DNSNames: []string{dnsName},
		Log: slog.New(slog.NewTextHandler(p.log, nil)), Now: func() time.Time { return p.now }}
}

func (p *place) keeps() {
	p.Helper()
	testkit.Must(p.T, p.one.Keep(p.Context()))
}

func (p *place) secret(name string) *corev1.Secret {
	p.Helper()
	found := &corev1.Secret{}
	testkit.Must(p.T, p.kube.Get(p.Context(), client.ObjectKey{Namespace: p.name, Name: name}, found))
	return found
}

func (p *place) updates(name string, change func(*corev1.Secret)) {
	p.Helper()
	found := p.secret(name)
	change(found)
	testkit.Must(p.T, p.kube.Update(p.Context(), found))
}

// isGood wants what callers trust to have signed what the service shows.
func (p *place) isGood() {
	p.Helper()
	serving, signing := p.secret(secretName), p.secret(authorityName)
	pair, err := tls.X509KeyPair(serving.Data[corev1.TLSCertKey], serving.Data[corev1.TLSPrivateKeyKey])
	testkit.Must(p.T, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(serving.Data[keeper.BundleKey])
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: dnsName, Roots: roots, CurrentTime: p.now}); err != nil {
		p.Errorf("callers do not trust it: %v", err)
	}
	if serving.Type != corev1.SecretTypeTLS || signing.Type != corev1.SecretTypeTLS {
		p.Errorf("types %s, %s", serving.Type, signing.Type)
	}
	if bytes.Contains(serving.Data[corev1.TLSPrivateKeyKey], signing.Data[corev1.TLSPrivateKeyKey]) || len(serving.Data) != 3 {
		p.Error("the service can sign")
	}
	if strings.Contains(p.log.String(), "PRIVATE KEY") || strings.Contains(p.log.String(), "BEGIN") {
		p.Errorf("the log shows %s", p.log)
	}
}

func TestItMakesAndRenewsACertificate(t *testing.T) {
	p := newPlace(t)
	p.keeps()
	p.isGood()
	made, signing := p.secret(secretName), p.secret(authorityName)
	p.keeps()
	if again := p.secret(secretName); again.ResourceVersion != made.ResourceVersion {
		t.Error("it is written again although nothing is due")
	}
	p.now = p.now.Add(61 * 24 * time.Hour)
	p.keeps()
	p.isGood()
	if again := p.secret(secretName); bytes.Equal(again.Data[corev1.TLSCertKey], made.Data[corev1.TLSCertKey]) || again.UID != made.UID {
		t.Error("it is not renewed in its Secret")
	}
	if again := p.secret(authorityName); again.ResourceVersion != signing.ResourceVersion {
		t.Error("the authority is written although nothing of it is due")
	}
	if told := strings.Count(p.log.String(), "renewed"); told != 2 {
		t.Errorf("told %d times: %s", told, p.log)
	}
}

// Replicas that do not lead show no expiry, and the leader that of whatever is there.
func TestTheExpiryIsShown(t *testing.T) {
	p := newPlace(t)
	wants := func(want string) {
		t.Helper()
		families, err := metrics.Registry.Gather()
		testkit.Must(t, err)
		got := ""
		for _, family := range families {
			if family.GetName() != "exactmatch_service_certificate_expiry_timestamp_seconds" {
				continue
			}
			for _, one := range family.GetMetric() {
				if one.GetLabel()[0].GetValue() == p.name+"/"+secretName {
					got = time.Unix(int64(one.GetGauge().GetValue()), 0).UTC().Format(time.DateTime)
				}
			}
		}
		if got != want {
			t.Errorf("shown is %q, want %q", got, want)
		}
	}
	wants("")
	p.keeps()
	wants(p.now.Add(90 * 24 * time.Hour).UTC().Format(time.DateTime))
	p.updates(secretName, func(s *corev1.Secret) {
		other := certManagerSecret(t, p.name, p.now.Add(-time.Hour))
		s.Data, s.Annotations = other.Data, other.Annotations
	})
	p.keeps()
	wants(p.now.Add(90*24*time.Hour - time.Hour).UTC().Format(time.DateTime))
}

func TestItRepairsItsSecrets(t *testing.T) {
	for name, damage := range map[string]func(*place){
		"no Secret":    func(p *place) { testkit.Must(p.T, p.kube.Delete(p.Context(), p.secret(secretName))) },
		"no authority": func(p *place) { testkit.Must(p.T, p.kube.Delete(p.Context(), p.secret(authorityName))) },
		"half a key": func(p *place) {
			p.updates(secretName, func(s *corev1.Secret) { s.Data[corev1.TLSPrivateKeyKey] = s.Data[corev1.TLSPrivateKeyKey][:50] })
		},
		"no bundle": func(p *place) { p.updates(secretName, func(s *corev1.Secret) { delete(s.Data, keeper.BundleKey) }) },
		"the authority's key": func(p *place) {
			p.updates(authorityName, func(s *corev1.Secret) { s.Data[corev1.TLSPrivateKeyKey] = []byte("none") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.keeps()
			damage(p)
			p.keeps()
			p.isGood()
		})
	}
}

// certManagerSecret is a Secret as cert-manager writes one.
func certManagerSecret(t *testing.T, namespace string, now time.Time) *corev1.Secret {
	t.Helper()
	authority, err := certificate.NewAuthority(now)
	testkit.Must(t, err)
	pair, err := certificate.Issue(authority, []string{dnsName}, now)
	testkit.Must(t, err)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secretName,
			Annotations: map[string]string{"cert-manager.io/certificate-name": "exactmatch-service", "cert-manager.io/issuer-name": "exactmatch-service", "cert-manager.io/issuer-kind": "Issuer"},
			Labels:      map[string]string{"controller.cert-manager.io/fao": "true"}},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key, keeper.BundleKey: authority.Certificate},
	}
}

// What somebody else manages is left as it is, and told once.
func TestForeignSecretsAreLeftAlone(t *testing.T) {
	for name, change := range map[string]func(*corev1.Secret){
		"of cert-manager":                  func(*corev1.Secret) {},
		"of cert-manager, damaged":         func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = nil },
		"that cert-manager has taken over": func(s *corev1.Secret) { s.Labels[keeper.Label] = "service" },
		"of a user":                        func(s *corev1.Secret) { s.Annotations, s.Labels = nil, nil },
		"of an owner": func(s *corev1.Secret) {
			s.Annotations, s.Labels = nil, map[string]string{keeper.Label: "service"}
			s.OwnerReferences = owned()
		},
		"of the authority's name": func(s *corev1.Secret) { s.Annotations, s.Labels, s.Name = nil, nil, authorityName },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			secret := certManagerSecret(t, p.name, p.now)
			change(secret)
			testkit.Must(t, p.kube.Create(t.Context(), secret))
			before := p.secret(secret.Name)
			for range 3 {
				p.keeps()
			}
			if after := p.secret(secret.Name); after.ResourceVersion != before.ResourceVersion {
				t.Error("it is written")
			}
			all := &corev1.SecretList{}
			testkit.Must(t, p.kube.List(t.Context(), all, client.InNamespace(p.name)))
			if len(all.Items) != 1 {
				t.Errorf("there are %d Secrets", len(all.Items))
			}
			if told := strings.Count(p.log.String(), "somebody else"); told != 1 {
				t.Errorf("told %d times: %s", told, p.log)
			}
		})
	}
}

func owned() []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: "cert-manager.io/v1", Kind: "Certificate", Name: "service", UID: "1", Controller: new(true)}}
}

// Two keepers that have read the same write one after the other: the later one finds
// out, and takes what the other has made.
func TestTwoKeepersAgree(t *testing.T) {
	for name, prepare := range map[string]func(*place){
		"at first":       func(*place) {},
		"of one expired": func(p *place) { p.keeps(); p.now = p.now.Add(100 * 24 * time.Hour) },
		"of an authority that is gone": func(p *place) {
			p.keeps()
			p.now = p.now.Add(100 * 24 * time.Hour)
			testkit.Must(p.T, p.kube.Delete(p.Context(), p.secret(authorityName)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			prepare(p)
			var both sync.WaitGroup
			both.Add(2)
			var conflicts sync.Map
			work := sync.WaitGroup{}
			logs := [2]*bytes.Buffer{{}, {}}
			for i := range 2 {
				var reads int
				one := p.keeper(interceptor.NewClient(p.kube, interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
						err := c.Get(ctx, key, o, options...)
						if reads++; reads == 2 { // each has read both Secrets
							both.Done()
							both.Wait()
						}
						return err
					},
					Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
						err := c.Create(ctx, o, options...)
						if apierrors.IsAlreadyExists(err) {
							conflicts.Store("create", true)
						}
						return err
					},
					Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
						err := c.Update(ctx, o, options...)
						if apierrors.IsConflict(err) {
							conflicts.Store("update", true)
						}
						return err
					},
				}))
				one.Log = slog.New(slog.NewTextHandler(logs[i], nil))
				work.Go(func() {
					if err := one.Keep(t.Context()); err != nil {
						t.Errorf("keeper %d: %v", i, err)
					}
				})
			}
			work.Wait()
			p.isGood()
			before := p.secret(secretName)
			p.keeps()
			if after := p.secret(secretName); after.ResourceVersion != before.ResourceVersion {
				t.Error("they leave something to renew")
			}
			met := 0
			conflicts.Range(func(any, any) bool { met++; return true })
			if met == 0 {
				t.Error("they have not met")
			}
		})
	}
}

// The leader alone keeps it, looks again after an error, and ends with its context.
func TestItGoesOnAfterAnError(t *testing.T) {
	p := newPlace(t)
	if !p.one.NeedLeaderElection() {
		t.Error("every replica keeps it")
	}
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan struct{}, 8)
	p.one.Client = interceptor.NewClient(p.kube, interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
		failed <- struct{}{}
		return errors.New("the API server is away")
	}})
	ended := make(chan error, 1)
	go func() { ended <- p.one.Start(ctx) }()
	<-failed
	<-failed
	stop()
	if err := <-ended; err != nil || !strings.Contains(p.log.String(), "the API server is away") {
		t.Errorf("it ended with %v; the log says %s", err, p.log)
	}
}
