package service

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"exactmatch.dev/operator/internal/service/authn"
)

// scraped is what Prometheus reads of a service.
func scraped(t *testing.T, s *Service) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// measures wants lines in what Prometheus reads.
func (s *shared) measures(lines ...string) {
	s.t.Helper()
	text := scraped(s.t, s.Service)
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			var near []string
			for one := range strings.Lines(text) {
				if strings.HasPrefix(one, name) {
					near = append(near, one)
				}
			}
			s.t.Errorf("no %q in\n%s", line, strings.Join(near, ""))
		}
	}
}

func newMeasured(t *testing.T, config Config) *shared {
	t.Helper()
	config.MaxCommits = 3
	return newShared(t, config)
}

// Calls are counted by the patterns of their paths, whatever ids and methods are sent.
func TestCallsAreMeasuredByPattern(t *testing.T) {
	s := newMeasured(t, Config{})
	const tenant = "prod/hr"
	h := s.have[tenant]
	s.as(tenant, http.MethodGet, "/exactMatchDataStores/"+h.store, "")
	s.as(tenant, http.MethodGet, "/exactMatchDataStores/absent-one", "")
	s.as(tenant, "BREW", "/exactMatchDataStores/absent-two", "")
	s.as(tenant, http.MethodGet, "/nowhere", "")
	s.measures(
		`exactmatch_service_requests_total{code="200",method="GET",route="/exactMatchDataStores/{store}"} 1`,
		`exactmatch_service_requests_total{code="404",method="GET",route="/exactMatchDataStores/{store}"} 1`,
		`exactmatch_service_requests_total{code="405",method="other",route="/exactMatchDataStores/{store}"} 1`,
		`exactmatch_service_requests_total{code="404",method="GET",route="other"} 1`,
		`exactmatch_service_requests_total{code="201",method="PUT",route="/upload/{tenant}/{session}"} 12`,
		`exactmatch_service_request_duration_seconds_count{method="POST",route="/exactMatchDataStores/{store}/sessions/{id}/commit"} 3`,
		fmt.Sprintf(`exactmatch_service_staged_bytes_total %d`, 6*(len(s.data[0])+len(s.data[1]))),
		`exactmatch_service_blocks_staged_total 12`,
	)
	for _, sent := range []string{h.store, "absent-one", "absent-two", "nowhere", "BREW"} {
		if strings.Contains(strings.ReplaceAll(scraped(t, s.Service), fmt.Sprintf("store=%q", h.store), ""), sent) {
			t.Errorf("a label is %q, which a caller sent", sent)
		}
	}
}

// What the records and tables say is measured as it is.
func TestWhatIsThereIsMeasured(t *testing.T) {
	s := newMeasured(t, Config{})
	const tenant = "prod/hr"
	h := s.have[tenant]
	of := fmt.Sprintf(`{store=%q,tenant=%q}`, h.store, tenant)
	s.measures(
		`exactmatch_service_sessions{state="Completed"} 3`,
		`exactmatch_service_sessions{state="UploadCompleted"} 3`,
		`exactmatch_service_sessions{state="Created"} 3`,
		`exactmatch_service_sessions{state="Failed"} 0`,
		`exactmatch_service_data_stores 3`,
		`exactmatch_service_store_live_rows`+of+` 4`,
		`exactmatch_service_store_live_generation`+of+` 1`,
		`exactmatch_service_store_live_damaged`+of+` 0`,
		fmt.Sprintf(`exactmatch_service_store_live_timestamp_seconds%s %v`, of, 1.767323045e+09),
		`exactmatch_service_store_commits_left`+of+` 2`,
		`exactmatch_service_index_jobs_total{kind="session",outcome="completed"} 3`,
		`exactmatch_service_index_duration_seconds_count{kind="session"} 3`,
		`exactmatch_service_index_jobs_pending 0`,
		`exactmatch_service_ready{check="records"} 1`,
		`exactmatch_service_disk_max_bytes 2.74877906944e+11`,
	)
	table, err := s.tables.Acquire(h.store)
	s.must(err)
	table.Break()
	s.tables.Release(table)
	s.space.Free = func() (int64, error) { return 0, nil }
	s.config.Certificate = func() time.Time { return fuzzNow }
	s.metrics = newMetrics(s.Service) // which has read nothing yet
	s.measures(`exactmatch_service_store_live_damaged`+of+` 1`, `exactmatch_service_ready{check="disk"} 0`, `exactmatch_service_disk_free_bytes 0`,
		`exactmatch_service_served_certificate_expiry_timestamp_seconds 1.767323045e+09`)
}

// Callers that are refused are counted by the reason, and what is told to come again by the
// limit.
func TestRefusalsAreMeasured(t *testing.T) {
	s := newMeasured(t, Config{MaxQuestions: leastQuestions})
	s.callers = s.authenticate
	send := func(header string) {
		r := s.request("", http.MethodGet, "/exactMatchDataStores", "")
		r.Header.Del("Authorization")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		s.answer(r)
	}
	send("")
	send("Basic eDp5")
	send("Bearer nobody-has-this-one")
	s.CallAs(authn.Caller{Name: "reader", Tenant: "prod/hr", Roles: readers})
	s.as("prod/hr", http.MethodDelete, "/exactMatchDataStores/x", "")
	s.upload(http.MethodGet, strings.Replace(s.have["prod/hr"].uri, "sig=", "sig=x", 1)+"&comp=blocklist", nil)
	store := "/exactMatchDataStores/" + s.have["prod/hr"].store
	s.as("prod/hr", http.MethodPost, store+"/match", match)
	now := s.now()
	s.oracle.take(authn.Caller{Name: "reader", Tenant: "prod/hr"}, leastQuestions-1, now)
	s.as("prod/hr", http.MethodPost, store+"/match", match)
	s.measures(
		`exactmatch_service_authentication_failures_total{reason="missing"} 1`,
		`exactmatch_service_authentication_failures_total{reason="malformed"} 1`,
		`exactmatch_service_authentication_failures_total{reason="unknown"} 1`,
		`exactmatch_service_authentication_failures_total{reason="role"} 1`,
		`exactmatch_service_authentication_failures_total{reason="uploadURI"} 1`,
		`exactmatch_service_throttled_total{limit="questions"} 1`,
		`exactmatch_service_questions_total{caller="reader",outcome="answered",tenant="prod/hr"} 1`,
		`exactmatch_service_questions_total{caller="reader",outcome="refused",tenant="prod/hr"} 1`,
		`exactmatch_service_rows_found_total{caller="reader",tenant="prod/hr"} 2`,
	)
}

// More callers than have metrics of their own are counted together.
func TestManyCallersAreMeasuredTogether(t *testing.T) {
	s := newMeasured(t, Config{})
	for n := range maxMeasuredAskers + 7 {
		s.metrics.asked(authn.Caller{Name: fmt.Sprint(n), Tenant: "prod/many"}, 1, "")
	}
	s.measures(`exactmatch_service_questions_total{caller="others",outcome="answered",tenant=""} 7`)
}

// Alerts ask by how much a counter has grown: one that is shown first at 1 has grown by
// nothing.
func TestCountersBeginBeforeTheyCount(t *testing.T) {
	s := newMeasured(t, Config{})
	s.measures(
		`exactmatch_service_index_jobs_total{kind="session",outcome="failed"} 0`,
		`exactmatch_service_index_jobs_total{kind="reindex",outcome="failed"} 0`,
		`exactmatch_service_authentication_failures_total{reason="keysUnavailable"} 0`,
		`exactmatch_service_authentication_failures_total{reason="uploadURI"} 0`,
	)
	s.metrics.asked(authn.Caller{Name: "reader", Tenant: "prod/hr"}, 1, "")
	s.measures(`exactmatch_service_questions_total{caller="reader",outcome="refused",tenant="prod/hr"} 0`)
}

// API.md names every metric, with its labels and those of their values that are fixed, and
// no other.
func TestEveryMetricIsDocumented(t *testing.T) {
	s := newMeasured(t, Config{})
	s.config.Certificate = func() time.Time { return fuzzNow }
	s.as("prod/hr", http.MethodPost, "/exactMatchDataStores/"+s.have["prod/hr"].store+"/match", match)
	s.upload(http.MethodGet, "/upload/absent?sig=x", nil)
	families, err := s.metrics.registry.Gather()
	s.must(err)
	exposed := map[string]string{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "exactmatch_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		exposed[f.GetName()] = strings.Join(labels, ", ")
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if slices.Contains([]string{"reason", "outcome", "kind", "limit"}, l.GetName()) && !strings.Contains(apiPage(t), "`"+l.GetValue()+"`") {
					t.Errorf("API.md does not name %s=%q of %s", l.GetName(), l.GetValue(), f.GetName())
				}
			}
		}
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("\n\\| `(exactmatch_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(apiPage(t), -1) {
		documented[row[1]] = strings.TrimSpace(row[2])
	}
	for name, labels := range exposed {
		if is, there := documented[name]; !there || is != labels {
			t.Errorf("API.md has %q with the labels %q, and the service %q", name, is, labels)
		}
	}
	for name := range documented {
		if _, there := exposed[name]; !there {
			t.Errorf("API.md has %q, which the service has not", name)
		}
	}
	problems, err := testutil.GatherAndLint(s.metrics.registry)
	s.must(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// No metric shows a token, a key, a cell's token, a signature or a displayName.
func TestMetricsShowNoSecret(t *testing.T) {
	s := newMeasured(t, Config{Log: slog.New(slog.DiscardHandler)})
	const tenant = "prod/hr"
	h := s.have[tenant]
	name := `{"displayName":"a-name-that-nobody-else-sees","columns":[{"name":"ID","isSearchable":true}]}`
	r := s.request(tenant, http.MethodPost, "/exactMatchDataStores", name)
	r.Header.Set("client-request-id", "another")
	s.answer(r)
	s.as(tenant, http.MethodPost, "/exactMatchDataStores/"+h.store+"/match", match)
	s.stageOne(tenant)
	text := scraped(t, s.Service)
	_, signature, _ := strings.Cut(h.uri, "sig=")
	for what, secret := range map[string]string{"token": fuzzToken, "key id": fuzzKeyID, "signature": signature, "displayName": "a-name-that-nobody-else-sees", "cell": "AQEBAQEB", "file": "people.csv"} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics show a %s", what)
		}
	}
}

// Metrics beyond loopback want their token, and profiles are for loopback alone.
func TestWhatIsServedBesideIsBounded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("metrics-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		refused string
		args    []string
	}{
		{"--pprof-listen", []string{"--pprof-listen=:6060"}},
		{"--pprof-listen", []string{"--pprof-listen=10.0.0.1:6060"}},
		{"--pprof-listen", []string{"--pprof-listen=example.com:6060"}},
		{"--metrics-token-file", []string{"--metrics-listen=:9090"}},
		{"--tls-cert-file", []string{"--metrics-listen=:9090", "--metrics-token-file=" + file}},
		{"--metrics-listen", []string{"--metrics-token-file=" + file}},
	} {
		args := append([]string{"--bearer-token-file=" + file, "--listen=127.0.0.1:0", "--data-dir=" + filepath.Join(dir, "data")}, c.args...)
		if _, err := commands(t, args...); err == nil || !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%q: %v, want a refusal for %s", c.args, err, c.refused)
		}
	}
	s := newMeasured(t, Config{})
	f := &command{metricsToken: file, config: s.config}
	for token, status := range map[string]int{"": http.StatusUnauthorized, "Bearer other": http.StatusUnauthorized, "Bearer " + fuzzToken: http.StatusUnauthorized, "Bearer metrics-token": http.StatusOK} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		f.metricsHandler(s.Service).ServeHTTP(w, r)
		if w.Code != status || bytes.Contains(w.Body.Bytes(), []byte("metrics-token\n")) {
			t.Errorf("%q: %d, want %d", token, w.Code, status)
		}
	}
	if w := s.as("", http.MethodGet, "/../../metrics", ""); w.Code == http.StatusOK {
		t.Error("the service's own address has metrics")
	}
}
