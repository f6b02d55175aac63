//go:build unix

package service_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/testkit/livetable"
)

// BenchmarkMatchCall asks for rows by one token and compares another of the same row, in
// batches, over HTTP in this process. Bodies are made before.
func BenchmarkMatchCall(b *testing.B) {
	const rows = 20_000
	var table strings.Builder
	table.WriteString("SSN,Last\n")
	for row := range rows {
		fmt.Fprintf(&table, "900%06d,Name%d\n", row, row)
	}
	columns := []edm.Column{{Name: "SSN", IsSearchable: true}, {Name: "Last"}}
	s := livetable.Serve(b, "people", table.String(), columns...)
	stores, err := s.Stores.List(b.Context(), edm.Query{})
	if err != nil {
		b.Fatal(err)
	}
	url := s.Endpoint + "/dataClassification/exactMatchDataStores/" + stores[0].ID + "/match"
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			var bodies []string
			for range 64 {
				bodies = append(bodies, questionsOf(b, *stores[0].Live, batch, rows))
			}
			var began, ended syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &began)
			for i := 0; b.Loop(); i++ {
				request, _ := http.NewRequest(http.MethodPost, url, strings.NewReader(bodies[i%len(bodies)]))
				request.Header.Set("Authorization", "Bearer token")
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					b.Fatal(err)
				}
				text, err := io.ReadAll(response.Body)
				if _ = response.Body.Close(); err != nil || response.StatusCode != http.StatusOK || strings.Count(string(text), `"matched"`) != batch {
					b.Fatalf("%d: %.200s (%v)", response.StatusCode, text, err)
				}
			}
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ended)
			used := ended.Utime.Nano() - began.Utime.Nano() + ended.Stime.Nano() - began.Stime.Nano()
			b.ReportMetric(float64(used)/float64(b.N*batch), "cpu-ns/question")
		})
	}
}

// questionsOf is the body of a match.
func questionsOf(b *testing.B, live edm.Live, batch, rows int) string {
	key, err := fingerprint.NewKey(livetable.Key)
	if err != nil {
		b.Fatal(err)
	}
	request := edm.MatchRequest{KeyID: live.KeyID, RulesIDs: map[string]string{}}
	var hashers []*fingerprint.Hasher
	for _, c := range live.Columns {
		h, err := key.Hasher("people", schema.Column{Name: c.Name})
		if err != nil {
			b.Fatal(err)
		}
		hashers = append(hashers, h)
		request.RulesIDs[c.Name] = c.RulesID
	}
	token := func(column int, text string) string {
		return base64.StdEncoding.EncodeToString(hashers[column].AppendToken(nil, []byte(text)))
	}
	for range batch {
		row := rand.IntN(rows)
		request.Questions = append(request.Questions, edm.MatchQuestion{
			Column: "SSN", Token: token(0, fmt.Sprintf("900%06d", row)), SameRow: map[string][]string{"Last": {token(1, fmt.Sprintf("Name%d", row))}}, Limit: 1,
		})
	}
	text, err := json.Marshal(request)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
