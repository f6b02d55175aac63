//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// get asks an endpoint of the manager until it answers.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	// The certificate of the metrics is made at the start.
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for deadline := time.Now().Add(30 * time.Second); ; {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := c.Do(r)
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, string(body)
	}
}

func TestMetricsAreForThoseWhoMay(t *testing.T) {
	agentAt(t, "measured", fmt.Sprint(stack.Port), "[{name: Number}, {name: Mail}]")
	numbers(t, "measured.csv", 100)
	session(t, "measured", "measured.csv", 10)
	finishes(t, "measured", "Completed")
	url := fmt.Sprintf("https://127.0.0.1:%d/metrics", metricsPort)
	if status, _ := get(t, url, ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	for _, account := range []string{"stranger", "scraper"} {
		kubectl(t, "", "create", "serviceaccount", account)
	}
	kubectl(t, "", "create", "clusterrolebinding", "scraper", "--clusterrole=exactmatch-metrics-reader", "--serviceaccount=default:scraper")
	if status, _ := get(t, url, strings.TrimSpace(kubectl(t, "", "create", "token", "stranger"))); status != http.StatusForbidden {
		t.Errorf("without the right: %d", status)
	}
	status, text := get(t, url, strings.TrimSpace(kubectl(t, "", "create", "token", "scraper")))
	if status != http.StatusOK || !strings.Contains(text, `exactmatch_session_outcomes_total{outcome="Completed"}`) {
		t.Errorf("with the right: %d, %d bytes", status, len(text))
	}
}

func TestProbes(t *testing.T) {
	for _, path := range []string{"healthz", "readyz"} {
		if status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/%s", probePort, path), ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
