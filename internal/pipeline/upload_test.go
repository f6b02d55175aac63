package pipeline_test

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
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/source"
)

func wantReason(t *testing.T, err error, reason failure.Reason, transient bool) {
	t.Helper()
	var e *failure.Error
	if !errors.As(err, &e) || e.Reason != reason || e.Transient != transient {
		t.Fatalf("want %s (passes: %t), got %v", reason, transient, err)
	}
	if strings.Contains(e.Error(), "sig=") || strings.Contains(e.Error(), "example.com") {
		t.Fatalf("the error shows a signature or a cell: %v", e)
	}
}

func TestUploadSendsEachBlockOnceAndSeals(t *testing.T) {
	s := newSink(t)
	plan := planOf(csvOf(1_000), 25)
	p := prepare(t, plan)
	one := s.open(p, plan)
	var last pipeline.Progress
	var mu sync.Mutex
	o := options()
	o.Progress = func(now pipeline.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if now.Done > last.Done {
			last = now
		}
	}
	must(t, pipeline.Upload(t.Context(), plan, p, target(one), o))
	if last.Done != 40 || last.Staged != 40 || last.Skipped != 0 || last.BytesSent == 0 {
		t.Errorf("the last progress is %+v", last)
	}
	if n := s.sent(); n != 40 {
		t.Errorf("%d bodies were sent for 40 blocks", n)
	}
	if state := s.state(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
	// Again, as after a crash before anybody noticed the seal.
	must(t, pipeline.Upload(t.Context(), plan, p, target(one), options()))
	if n := s.sent(); n != 0 {
		t.Errorf("%d blocks were sent again", n)
	}
}

func TestUploadResumes(t *testing.T) {
	s := newSink(t)
	plan := planOf(csvOf(1_000), 25)
	p := prepare(t, plan)
	one := s.open(p, plan)
	ctx, stop := context.WithCancel(t.Context())
	o := options()
	o.Progress = func(now pipeline.Progress) {
		if now.Done == 10 {
			stop()
		}
	}
	if err := pipeline.Upload(ctx, plan, p, target(one), o); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled upload ends with %v", err)
	}
	s.quiet() // a block whose caller was cancelled may still arrive
	there := s.listed(one)
	if there < 10 || there >= 40 {
		t.Fatalf("%d blocks are there, want some of them", there)
	}
	s.sent()
	must(t, pipeline.Upload(t.Context(), plan, p, target(one), options()))
	if n := s.sent(); n != 40-there {
		t.Errorf("%d blocks were there and %d were sent, of 40", there, n)
	}
	if state := s.state(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
}

// listed counts the staged blocks as the service tells.
func (s *sink) listed(one *edm.Session) int {
	s.t.Helper()
	now, err := s.client.Sessions().Get(s.t.Context(), s.store.ID, one.ID)
	must(s.t, err)
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
			s := newSink(t)
			text := csvOf(1_000)
			plan, path := planOfFile(t, text, 25)
			p := prepare(t, plan)
			one := s.open(p, plan)
			must(t, os.WriteFile(path, []byte(change(text)), 0o600))
			// Opened afresh, as after a restart: the source's own memory is gone.
			again, _ := planOfFile(t, change(text), 25)
			err := pipeline.Upload(t.Context(), again, p, target(one), options())
			wantReason(t, err, failure.SourceChanged, false)
			if state := s.state(one.ID); state == edm.StateUploadCompleted {
				t.Error("a mixture was sealed")
			}
		})
	}
}

func TestUploadRefusesTheBlocksOfAnotherContent(t *testing.T) {
	s := newSink(t)
	first, second := planOf(csvOf(100), 10), planOf(strings.Replace(csvOf(100), "P-7,", "Q-7,", 1), 10)
	p := prepare(t, first)
	one := s.open(p, first)
	s.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if isSeal(r) {
			refuseStorage(http.StatusBadRequest, "InvalidInput")(w, r)
		}
		return isSeal(r)
	}
	wantReason(t, pipeline.Upload(t.Context(), first, p, target(one), options()), failure.StorageRefused, false)
	s.spoil = nil
	wantReason(t, pipeline.Upload(t.Context(), second, prepare(t, second), target(one), options()), failure.SourceChanged, false)
}

func TestUploadGoesOnWithARenewedURI(t *testing.T) {
	s := newSink(t)
	plan := planOf(csvOf(400), 10)
	p := prepare(t, plan)
	one := s.open(p, plan)
	var lease, blocks atomic.Int32
	s.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if !isBlock(r) || r.URL.Query().Get("lease") != "0" || blocks.Add(1) <= 5 {
			return false
		}
		lease.Store(1) // the manager renews it at about the time it expires
		refuseStorage(http.StatusForbidden, "AuthenticationFailed")(w, r)
		return true
	}
	to := target(one)
	to.Parallelism = 1
	to.URI = func() string { return fmt.Sprintf("%s&lease=%d", one.DataUploadURI, lease.Load()) }
	must(t, pipeline.Upload(t.Context(), plan, p, to, options()))
	if n := s.sent(); n != 41 {
		t.Errorf("%d bodies were sent, want each block's and the one that was refused", n)
	}
	if state := s.state(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
}

func TestUploadMeetsFaultsOfTheStorage(t *testing.T) {
	plan := planOf(csvOf(100), 10)
	p := prepare(t, plan)
	for name, tc := range map[string]struct {
		selects   func(*http.Request) bool
		answer    func(*sink) http.HandlerFunc
		sent      int // bodies in all
		reason    failure.Reason
		transient bool
	}{
		"a damaged body is sent again": {isBlock, func(s *sink) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				replaceBody(r)
				s.handler.ServeHTTP(w, r) // answers Crc64Mismatch by itself
			}
		}, 11, "", false},
		"a busy storage is asked again": {isBlock, func(*sink) http.HandlerFunc { return refuseStorage(http.StatusServiceUnavailable, "ServerBusy") }, 11, "", false},
		"a lost block is staged again":  {isSeal, func(*sink) http.HandlerFunc { return refuseStorage(http.StatusBadRequest, "InvalidBlockList") }, 10, "", false},
		"a refused block ends it":       {isBlock, func(*sink) http.HandlerFunc { return refuseStorage(http.StatusBadRequest, "InvalidBlobOrBlock") }, -1, failure.StorageRefused, false},
		"a dead signature can be renewed": {isBlock, func(*sink) http.HandlerFunc {
			return refuseStorage(http.StatusForbidden, "AuthenticationFailed")
		}, -1, failure.StorageRefused, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t)
			one := s.open(p, plan)
			s.spoilOnce(tc.selects, tc.answer(s))
			err := pipeline.Upload(t.Context(), plan, p, target(one), options())
			if tc.reason != "" {
				wantReason(t, err, tc.reason, tc.transient)
				return
			}
			must(t, err)
			if n := s.sent(); n != tc.sent {
				t.Errorf("%d bodies were sent, want %d", n, tc.sent)
			}
			if state := s.state(one.ID); state != edm.StateUploadCompleted {
				t.Errorf("the session is %s", state)
			}
		})
	}
}

func TestUploadStaysWithinItsBounds(t *testing.T) {
	plan := planOf(csvOf(2_000), 10)
	p := prepare(t, plan)
	for name, tc := range map[string]struct {
		parallelism int
		memory      int64
		peak        int
	}{
		"lanes":                              {3, 64 << 20, 3},
		"memory of less than one block":      {8, 1, 1},
		"memory of a few blocks, many lanes": {16, 4096, 3}, // a block of 10 rows and 2 columns takes well over 1 KiB
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t)
			one := s.open(p, plan)
			to := target(one)
			to.Parallelism = tc.parallelism
			must(t, pipeline.Upload(t.Context(), plan, p, to, pipeline.Options{Memory: semaphore.NewWeighted(tc.memory), MemorySize: tc.memory}))
			if s.peak > tc.peak {
				t.Errorf("%d blocks were on their way at once, want at most %d", s.peak, tc.peak)
			}
			if len(s.ids()) != 200 {
				t.Errorf("%d blocks came, want 200", len(s.ids()))
			}
		})
	}
}

// The blocks of a table are the same whatever its dress and the machine's room.
func TestBlocksAreDeterministic(t *testing.T) {
	s := newSink(t)
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
		for _, dress := range []string{text, gzipped(t, text)} {
			plan := planOf(dress, perBlock)
			plan.Format.Quoting = "RFC4180"
			p := prepare(t, plan)
			attempt++
			p.ContentKey = fmt.Sprintf("sha256:%064x", attempt) // a session of its own
			one := s.open(p, plan)
			to := target(one)
			to.Parallelism = rapid.IntRange(1, 8).Draw(rt, "parallelism")
			s.sent()
			must(t, pipeline.Upload(t.Context(), plan, p, to, options()))
			blocks = append(blocks, s.ids())
			must(t, s.client.Sessions().Cancel(t.Context(), s.store.ID, one.ID))
		}
		if !maps.Equal(blocks[0], blocks[1]) {
			rt.Fatalf("two ways make two sets of blocks: %v and %v", blocks[0], blocks[1])
		}
	})
}

func quoted(cell string) string { return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"` }

func TestUploadPassesOnWhatTheSourceSays(t *testing.T) {
	s := newSink(t)
	plan, path := planOfFile(t, csvOf(100), 10)
	p := prepare(t, plan)
	one := s.open(p, plan)
	must(t, os.Remove(path))
	err := pipeline.Upload(t.Context(), plan, p, target(one), options())
	wantReason(t, err, failure.SourceNotFound, false)
	var from *source.Error
	if !errors.As(err, &from) {
		t.Errorf("the cause is lost: %v", err)
	}
}
