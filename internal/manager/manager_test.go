package manager

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/controllers"
	"exactmatch.dev/operator/internal/testkit"
)

func TestManagerWatchesTheNamespacesOfItsFlag(t *testing.T) {
	if watched := (command{}).managerOptions().Cache.DefaultNamespaces; watched != nil {
		t.Errorf("without the flag it watches only %v", watched)
	}
	watched := command{namespaces: []string{"team-a", "team-b"}}.managerOptions().Cache.DefaultNamespaces
	if _, a := watched["team-a"]; !a || len(watched) != 2 {
		t.Errorf("it watches %v", watched)
	}
}

func TestFlagsOfTheCertificate(t *testing.T) {
	for name, tc := range map[string]struct {
		secret string
		names  []string
		want   string
	}{
		"off":               {},
		"on":                {secret: "exactmatch-service-tls", names: []string{"exactmatch-service.exactmatch-system.svc", "localhost"}},
		"no names":          {secret: "exactmatch-service-tls", want: "go together"},
		"no Secret":         {names: []string{"localhost"}, want: "go together"},
		"no name of a host": {secret: "exactmatch-service-tls", names: []string{"localhost", "https://host"}, want: "--service-dns-names"},
		"an empty name":     {secret: "exactmatch-service-tls", names: []string{".svc"}, want: "--service-dns-names"},
		"no name of one":    {secret: "Service/TLS", names: []string{"localhost"}, want: "--service-certificate-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			f := command{options: controllers.Defaults(), transferMemory: 1, kubeAPIBurst: 1, certificateSecret: tc.secret, certificateNames: tc.names}
			err := f.check()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheOwnNamespace(t *testing.T) {
	before := namespaceFile
	t.Cleanup(func() { namespaceFile = before })
	namespaceFile = filepath.Join(t.TempDir(), "namespace")
	t.Setenv(namespaceVariable, "")
	wants := func(want string) {
		t.Helper()
		if got, err := ownNamespace(); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	wants("")
	testkit.Must(t, os.WriteFile(namespaceFile, []byte("of-the-pod\n"), 0o600))
	wants("of-the-pod")
	t.Setenv(namespaceVariable, "of-the-variable")
	wants("of-the-variable")
	if err := (command{certificateSecret: "tls"}).addKeeper(nil); err == nil || !strings.Contains(err.Error(), namespaceVariable) {
		t.Errorf("without a namespace: %v", err)
	}
}
