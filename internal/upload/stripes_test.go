package upload_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
	"exactmatch.dev/operator/internal/upload"
)

// counted counts the bytes that are read of a source.
type counted struct {
	source.Source
	read atomic.Int64
}

func (c *counted) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	body, err := c.Source.Open(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, tally{&c.read}), body}, nil
}

type tally struct{ n *atomic.Int64 }

func (t tally) Write(p []byte) (int, error) {
	t.n.Add(int64(len(p)))
	return len(p), nil
}

// TestPodsStageWhatOneUploadWould: every pod knows only the plan and the
// packed, as a pod does.
func TestPodsStageWhatOneUploadWould(t *testing.T) {
	s := sink.New(t)
	text := tables.CSV(1_000)
	plan := tables.Plan(text, 25)
	from := &counted{Source: plan.Source}
	plan.Source = from
	prepared := tables.Prepare(t, plan)
	one := s.Open(prepared, plan)
	stage := func(index, pods int) error {
		p, err := plan.Unpack(prepared.Pack())
		if err != nil {
			return err
		}
		stripes, err := p.StripesOf(index, pods)
		if err != nil {
			return err
		}
		return upload.Stage(t.Context(), plan, p, stripes, sink.Target(one), sink.Options())
	}
	testkit.Must(t, stage(0, 3))
	early := upload.Seal(t.Context(), prepared, sink.Target(one))
	testkit.WantFailure(t, early, failure.StorageUnavailable, true)
	if !errors.Is(early, upload.ErrBlocksMissing) {
		t.Errorf("a seal with two pods missing does not ask to stage again: %v", early)
	}
	if n := s.Sent(); n == 0 || n >= 40 {
		t.Errorf("one pod of three sent %d of 40 blocks", n)
	}
	var rest errgroup.Group
	for _, index := range []int{1, 2, 0} { // pod 0 again, as its successor would
		rest.Go(func() error { return stage(index, 3) })
	}
	testkit.Must(t, rest.Wait())
	for id, times := range s.Blocks {
		if times != 1 {
			t.Errorf("block %s was sent %d times", id, times)
		}
	}
	testkit.Must(t, upload.Seal(t.Context(), prepared, sink.Target(one)))
	testkit.Must(t, upload.Seal(t.Context(), prepared, sink.Target(one))) // as after a crash
	if state := s.State(one.ID); state != edm.StateUploadCompleted {
		t.Errorf("the session is %s", state)
	}
	// Once by Prepare, once by the pods, and a third of it by the successor.
	if read, most := from.read.Load(), int64(len(text))*5/2; read > most {
		t.Errorf("%d bytes were read of a table of %d", read, len(text))
	}
}

// TestSealThatFailsKeepsWhatIsStaged: only blocks that are missing are staged again.
func TestSealThatFailsKeepsWhatIsStaged(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  http.HandlerFunc
		reason  failure.Reason
		missing bool
	}{
		"refused":        {sink.RefuseStorage(http.StatusForbidden, "AuthenticationFailed"), failure.StorageRefused, false},
		"busy":           {sink.RefuseStorage(http.StatusConflict, "LeaseIdPresent"), failure.StorageUnavailable, false},
		"a block is not": {sink.RefuseStorage(http.StatusBadRequest, "InvalidBlockList"), failure.StorageUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := sink.New(t)
			plan := tables.Plan(tables.CSV(100), 25)
			prepared := tables.Prepare(t, plan)
			one := s.Open(prepared, plan)
			testkit.Must(t, upload.Stage(t.Context(), plan, prepared, prepared.Stripes, sink.Target(one), sink.Options()))
			s.SpoilOnce(sink.IsSeal, tc.answer)
			err := upload.Seal(t.Context(), prepared, sink.Target(one))
			testkit.WantFailure(t, err, tc.reason, true)
			if errors.Is(err, upload.ErrBlocksMissing) != tc.missing {
				t.Errorf("stage again: %v, want %v: %v", !tc.missing, tc.missing, err)
			}
			testkit.Must(t, upload.Seal(t.Context(), prepared, sink.Target(one)))
			if state := s.State(one.ID); state != edm.StateUploadCompleted {
				t.Errorf("sealed again, the session is %s", state)
			}
		})
	}
}

func TestSealThatIsNotAnsweredInTime(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(10), 5)
	prepared := tables.Prepare(t, plan)
	one := s.Open(prepared, plan)
	testkit.Must(t, upload.Stage(t.Context(), plan, prepared, prepared.Stripes, sink.Target(one), sink.Options()))
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	s.SpoilOnce(sink.IsSeal, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	testkit.WantFailure(t, upload.Seal(ctx, prepared, sink.Target(one)), failure.StorageUnavailable, true)
}

func TestSealNeedsToList(t *testing.T) {
	plan := tables.Plan(tables.CSV(10), 5)
	prepared := tables.Prepare(t, plan)
	one := &edm.Session{DataUploadURI: "https://storage.invalid/upload?sp=cw&sig=hush"}
	err := upload.Seal(t.Context(), prepared, sink.Target(one))
	testkit.WantFailure(t, err, failure.StorageRefused, false)
	if !strings.Contains(err.Error(), "spec.workers.mode") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}
