//go:build unix

package scan_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/scan"
	"exactmatch.dev/operator/internal/testkit/livetable"
)

// processorTime is what this process has used.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// nothing is a store that holds no value, and counts what it is asked.
type nothing struct {
	edm.Stores
	asked *atomic.Int64
}

func (n nothing) Match(_ context.Context, _ string, q edm.MatchRequest) (*edm.MatchResponse, error) {
	n.asked.Add(int64(len(q.Questions)))
	return &edm.MatchResponse{Generation: 1, SessionID: "s", Answers: make([]edm.MatchAnswer, len(q.Questions))}, nil
}

// BenchmarkWithoutAService is what the scanner itself takes for clean prose.
func BenchmarkWithoutAService(b *testing.B) {
	s := livetable.Serve(b, "patients", patients(10), columns...)
	text := prose(1 << 20)
	b.SetBytes(int64(len(text)))
	var asked atomic.Int64
	before := processorTime()
	for b.Loop() {
		scanner, err := scan.Open(b.Context(), nothing{s.Stores, &asked}, livetable.Key, "patients", scan.Options{MaxWords: 6, Within: 300})
		if err == nil {
			err = scanner.Scan(b.Context(), "-", strings.NewReader(text), func(scan.Find) error { return nil })
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((processorTime()-before).Seconds()/float64(b.N)/float64(len(text))*1e6, "cpu-s/MB")
	b.ReportMetric(float64(asked.Load())/float64(b.N)/float64(len(text))*1e6, "questions/MB")
}

// prose is a text of words that are no values.
func prose(size int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for text.Len() < size {
		for range 2 + random.IntN(9) {
			text.WriteByte(byte('a' + random.IntN(26)))
		}
		text.WriteString([]string{" ", " ", " ", " ", " ", " ", ", ", ". ", "\n"}[random.IntN(9)])
	}
	return text.String()[:size]
}

// BenchmarkScan scans prose against the real service in this process, clean and with
// a record at regular distances, in bytes.
func BenchmarkScan(b *testing.B) {
	s := livetable.Serve(b, "patients", patients(10_000), columns...)
	for name, every := range map[string]int{"clean": 0, "a-record-in-10KB": 10_000, "a-record-in-1KB": 1000} {
		text := prose(64 << 10)
		if every > 0 {
			var quoted strings.Builder
			for i := 0; i < len(text); i += every {
				fmt.Fprintf(&quoted, "%s 900-00-%04d Okafor%d ", text[i:min(len(text), i+every)], i/every, i/every)
			}
			text = quoted.String()
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			before := processorTime()
			for b.Loop() {
				err := s.Run(b, scan.Command(), strings.NewReader(text), io.Discard, "--store", "patients", "-")
				if code := scan.ExitCode(err); code != min(every, 1) {
					b.Fatal(err)
				}
			}
			b.ReportMetric((processorTime()-before).Seconds()/float64(b.N)/float64(len(text))*1e6, "cpu-s/MB")
		})
	}
}
