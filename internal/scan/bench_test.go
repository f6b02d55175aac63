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

// BenchmarkWithoutAService is what the scanner itself takes, and asks: for text as people
// write it, for words that are all different, and for numbers that may all be values.
func BenchmarkWithoutAService(b *testing.B) {
	s := livetable.Serve(b, "patients", patients(10), columns...)
	for _, text := range []struct{ name, text string }{{"english", english(1 << 20)}, {"words", prose(1 << 20)}, {"numbers", numbers(1 << 20)}} {
		for _, by := range []struct {
			name string
			o    scan.Options
		}{
			{"all", scan.Options{}},
			{"mandatory", scan.Options{Mandatory: []string{"SSN"}}},
			{"pattern", scan.Options{Mandatory: []string{"SSN"}, Patterns: map[string]string{"SSN": `\d{9}`}}},
		} {
			by.o.MaxWords, by.o.Within = 6, 300
			b.Run(text.name+"/"+by.name, func(b *testing.B) { withoutAService(b, s, text.text, by.o) })
		}
	}
}

func withoutAService(b *testing.B, s livetable.Service, text string, o scan.Options) {
	b.SetBytes(int64(len(text)))
	var asked atomic.Int64
	before := processorTime()
	for b.Loop() {
		scanner, err := scan.Open(b.Context(), nothing{s.Stores, &asked}, livetable.Key, "patients", o)
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

// english is a text whose words are as frequent as those of English.
func english(size int) string {
	random := rand.New(rand.NewPCG(1, 2))
	often := rand.NewZipf(random, 1.07, 3, 50_000)
	var text strings.Builder
	for text.Len() < size {
		for letters := rand.New(rand.NewPCG(3, often.Uint64())); ; {
			text.WriteByte(byte('a' + letters.IntN(26)))
			if letters.IntN(4) == 0 {
				break
			}
		}
		text.WriteString([]string{" ", " ", " ", " ", " ", " ", " ", ", ", ". ", "\n"}[random.IntN(10)])
		if random.IntN(100) == 0 {
			fmt.Fprintf(&text, "%d ", random.IntN(3000))
		}
	}
	return text.String()[:size]
}

// numbers is a text of nothing but numbers of nine digits.
func numbers(size int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for text.Len() < size {
		fmt.Fprintf(&text, "%03d-%02d-%04d ", random.IntN(1000), random.IntN(100), random.IntN(10_000))
	}
	return text.String()[:size]
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
