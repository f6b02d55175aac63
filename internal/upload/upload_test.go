package upload_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/semaphore"
	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
	"exactmatch.dev/operator/internal/upload"
)

func TestUploadSendsEachBlockOnceAndSeals(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(1_000), 25)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	var last progress.Blocks
	var mu sync.Mutex
	o := sink.Options()
	o.Progress = func(now progress.Blocks) {
		mu.Lock()
		defer mu.Unlock()
		if now.Done > last.Done {
			last = now
		}
	}
	testkit.Must(t, upload.Run(t.Context(), plan, p, sink.Target(one), o))
	if last.Done != 40 || last.Staged != 40 || last.Skipped != 0 || last.BytesSent == 0 {
		t.Errorf("the last progress is %+v", last)
	}
	if n := s.Sent(); n != 40 {
		t.Errorf("%d bodies were sent for 40 blocks", n)
	}
	if state := s.State(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
	// Again, as after a crash before anybody noticed the seal.
	testkit.Must(t, upload.Run(t.Context(), plan, p, sink.Target(one), sink.Options()))
	if n := s.Sent(); n != 0 {
		t.Errorf("%d blocks were sent again", n)
	}
}

func TestUploadResumes(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(1_000), 25)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	ctx, stop := context.WithCancel(t.Context())
	o := sink.Options()
	o.Progress = func(now progress.Blocks) {
		if now.Done == 10 {
			stop()
		}
	}
	if err := upload.Run(ctx, plan, p, sink.Target(one), o); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled upload ends with %v", err)
	}
	s.Quiet() // a block whose caller was cancelled may still arrive
	there := listed(t, s, one)
	if there < 10 || there >= 40 {
		t.Fatalf("%d blocks are there, want some of them", there)
	}
	s.Sent()
	testkit.Must(t, upload.Run(t.Context(), plan, p, sink.Target(one), sink.Options()))
	if n := s.Sent(); n != 40-there {
		t.Errorf("%d blocks were there and %d were sent, of 40", there, n)
	}
	if state := s.State(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
}

// listed counts the staged blocks as the service tells.
func listed(t *testing.T, s *sink.Sink, one *edm.Session) int {
	t.Helper()
	now, err := s.Client.Sessions().Get(t.Context(), s.Store.ID, one.ID)
	testkit.Must(t, err)
	return int(*now.TotalBlockCount - *now.RemainingBlockCount)
}

func TestUploadNoticesAChangedSource(t *testing.T) {
	for name, change := range map[string]func(text string) string{
		"a cell of the same length": func(text string) string { return strings.Replace(text, "P-500,", "Q-500,", 1) },
		"rows that are swapped": func(text string) string {
			return strings.Replace(text, "P-100,p100@example.com\nP-101,p101@example.com\n", "P-101,p101@example.com\nP-100,p100@example.com\n", 1)
		},
		"a shorter table": func(text string) string { return text[:len(text)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			s := sink.New(t)
			text := tables.CSV(1_000)
			plan, path := tables.PlanOfFile(t, text, 25)
			p := tables.Prepare(t, plan)
			one := s.Open(p, plan)
			testkit.Must(t, os.WriteFile(path, []byte(change(text)), 0o600))
			// Opened afresh, as after a restart: the source's own memory is gone.
			again, _ := tables.PlanOfFile(t, change(text), 25)
			err := upload.Run(t.Context(), again, p, sink.Target(one), sink.Options())
			testkit.WantFailure(t, err, failure.SourceChanged, false)
			if state := s.State(one.ID); state == edm.StateUploadCompleted {
				t.Error("a mixture was sealed")
			}
		})
	}
}

func TestUploadRefusesTheBlocksOfAnotherContent(t *testing.T) {
	s := sink.New(t)
	first, second := tables.Plan(tables.CSV(100), 10), tables.Plan(strings.Replace(tables.CSV(100), "P-7,", "Q-7,", 1), 10)
	p := tables.Prepare(t, first)
	one := s.Open(p, first)
	s.Spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if sink.IsSeal(r) {
			sink.RefuseStorage(http.StatusBadRequest, "InvalidInput")(w, r)
		}
		return sink.IsSeal(r)
	}
	testkit.WantFailure(t, upload.Run(t.Context(), first, p, sink.Target(one), sink.Options()), failure.StorageRefused, false)
	s.Spoil = nil
	testkit.WantFailure(t, upload.Run(t.Context(), second, tables.Prepare(t, second), sink.Target(one), sink.Options()), failure.SourceChanged, false)
}

func TestUploadGoesOnWithARenewedURI(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(400), 10)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	var renewals, blocks atomic.Int32
	s.Spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if !sink.IsBlock(r) || r.URL.Query().Get("uri") != "0" || blocks.Add(1) <= 5 {
			return false
		}
		renewals.Store(1) // the manager renews it at about the time it expires
		sink.RefuseStorage(http.StatusForbidden, "AuthenticationFailed")(w, r)
		return true
	}
	to := sink.Target(one)
	to.Parallelism = 1
	to.URI = func() string { return fmt.Sprintf("%s&uri=%d", one.DataUploadURI, renewals.Load()) }
	testkit.Must(t, upload.Run(t.Context(), plan, p, to, sink.Options()))
	if n := s.Sent(); n != 41 {
		t.Errorf("%d bodies were sent, want each block's and the one that was refused", n)
	}
	if state := s.State(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
}

func TestUploadMeetsFaultsOfTheStorage(t *testing.T) {
	plan := tables.Plan(tables.CSV(100), 10)
	p := tables.Prepare(t, plan)
	for name, tc := range map[string]struct {
		selects   func(*http.Request) bool
		answer    func(*sink.Sink) http.HandlerFunc
		sent      int // bodies in all
		reason    failure.Reason
		transient bool
	}{
		"a damaged body is sent again": {sink.IsBlock, func(s *sink.Sink) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				sink.ReplaceBody(r)
				s.Handler.ServeHTTP(w, r) // answers Crc64Mismatch by itself
			}
		}, 11, "", false},
		"a busy storage is asked again": {sink.IsBlock, func(*sink.Sink) http.HandlerFunc {
			return sink.RefuseStorage(http.StatusServiceUnavailable, "ServerBusy")
		}, 11, "", false},
		"a lost block is staged again": {sink.IsSeal, func(*sink.Sink) http.HandlerFunc {
			return sink.RefuseStorage(http.StatusBadRequest, "InvalidBlockList")
		}, 10, "", false},
		"a refused block ends it": {sink.IsBlock, func(*sink.Sink) http.HandlerFunc {
			return sink.RefuseStorage(http.StatusBadRequest, "InvalidBlobOrBlock")
		}, -1, failure.StorageRefused, false},
		"a dead signature can be renewed": {sink.IsBlock, func(*sink.Sink) http.HandlerFunc {
			return sink.RefuseStorage(http.StatusForbidden, "AuthenticationFailed")
		}, -1, failure.StorageRefused, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := sink.New(t)
			one := s.Open(p, plan)
			s.SpoilOnce(tc.selects, tc.answer(s))
			err := upload.Run(t.Context(), plan, p, sink.Target(one), sink.Options())
			if tc.reason != "" {
				testkit.WantFailure(t, err, tc.reason, tc.transient)
				return
			}
			testkit.Must(t, err)
			if n := s.Sent(); n != tc.sent {
				t.Errorf("%d bodies were sent, want %d", n, tc.sent)
			}
			if state := s.State(one.ID); state != edm.StateUploadCompleted {
				t.Errorf("the session is %s", state)
			}
		})
	}
}

func TestUploadStaysWithinItsBounds(t *testing.T) {
	plan := tables.Plan(tables.CSV(2_000), 10)
	p := tables.Prepare(t, plan)
	for name, tc := range map[string]struct {
		parallelism int
		memory      int64
		peak        int
	}{
		"parallelism":                              {3, 64 << 20, 3},
		"memory of less than one block":            {8, 1, 1},
		"memory of a few blocks, much parallelism": {16, 4096, 3}, // a block of 10 rows and 2 columns takes well over 1 KiB
	} {
		t.Run(name, func(t *testing.T) {
			s := sink.New(t)
			one := s.Open(p, plan)
			to := sink.Target(one)
			to.Parallelism = tc.parallelism
			testkit.Must(t, upload.Run(t.Context(), plan, p, to, upload.Options{Memory: semaphore.NewWeighted(tc.memory), MemorySize: tc.memory}))
			if s.Peak > tc.peak {
				t.Errorf("%d blocks were on their way at once, want at most %d", s.Peak, tc.peak)
			}
			if len(s.IDs()) != 200 {
				t.Errorf("%d blocks came, want 200", len(s.IDs()))
			}
		})
	}
}

// The blocks of a table are the same whatever its dress and the machine's room.
func TestBlocksAreDeterministic(t *testing.T) {
	s := sink.New(t)
	attempt := 0
	rapid.Check(t, func(rt *rapid.T) {
		cell := rapid.StringOfN(rapid.RuneFrom([]rune("aB9 ,\"\nÄß-@\u0301")), 0, 12, -1)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 2), 1, 40).Draw(rt, "rows")
		perBlock := rapid.IntRange(1, 7).Draw(rt, "rowsPerBlock")
		text := "ID,Mail\n"
		for _, row := range rows {
			text += quoted("k"+row[0]) + "," + quoted(row[1]) + "\n"
		}
		var blocks []map[int]string
		for _, dress := range []string{text, tables.Gzip(t, text)} {
			plan := tables.Plan(dress, perBlock)
			plan.Format.Quoting = "RFC4180"
			p := tables.Prepare(t, plan)
			attempt++
			p.ContentKey = fmt.Sprintf("sha256:%064x", attempt) // a session of its own
			one := s.Open(p, plan)
			to := sink.Target(one)
			to.Parallelism = rapid.IntRange(1, 8).Draw(rt, "parallelism")
			s.Sent()
			testkit.Must(t, upload.Run(t.Context(), plan, p, to, sink.Options()))
			blocks = append(blocks, s.IDs())
			testkit.Must(t, s.Client.Sessions().Cancel(t.Context(), s.Store.ID, one.ID))
		}
		if !maps.Equal(blocks[0], blocks[1]) {
			rt.Fatalf("two ways make two sets of blocks: %v and %v", blocks[0], blocks[1])
		}
	})
}

func quoted(cell string) string { return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"` }

func TestUploadPassesOnWhatTheSourceSays(t *testing.T) {
	s := sink.New(t)
	plan, path := tables.PlanOfFile(t, tables.CSV(100), 10)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	testkit.Must(t, os.Remove(path))
	err := upload.Run(t.Context(), plan, p, sink.Target(one), sink.Options())
	testkit.WantFailure(t, err, failure.SourceNotFound, false)
	var from *source.Error
	if !errors.As(err, &from) {
		t.Errorf("the cause is lost: %v", err)
	}
}
