package upload_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
	"exactmatch.dev/operator/internal/upload"
)

// crcOf is a CRC-64 as the storage's header has it.
func crcOf(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, block.Sum(data)))
}

// A block that is damaged on its way must not be taken by any storage: each carries
// the sum of its bytes, whatever else the storage compares.
func TestEveryBlockCarriesItsSum(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(100), 10)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	var mu sync.Mutex
	right := 0
	s.Spoil = func(_ http.ResponseWriter, r *http.Request) bool {
		if !sink.IsBlock(r) {
			return false
		}
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(strings.NewReader(string(data)))
		mu.Lock()
		defer mu.Unlock()
		if got := r.Header.Get("x-ms-content-crc64"); got != crcOf(data) {
			t.Errorf("a block of %d bytes carries the sum %q, want %q", len(data), got, crcOf(data))
		} else {
			right++
		}
		return false
	}
	testkit.Must(t, upload.Run(t.Context(), plan, p, sink.Target(one), sink.Options()))
	if right != 10 {
		t.Errorf("%d of 10 blocks carry their sum", right)
	}
}

// What the storage asks to wait is told to whoever tries again.
func TestTheStoragesRetryAfterIsTold(t *testing.T) {
	plan := tables.Plan(tables.CSV(100), 10)
	p := tables.Prepare(t, plan)
	for name, selects := range map[string]func(*http.Request) bool{"a block": sink.IsBlock, "the seal": sink.IsSeal} {
		t.Run(name, func(t *testing.T) {
			s := sink.New(t)
			one := s.Open(p, plan)
			s.Spoil = func(w http.ResponseWriter, r *http.Request) bool {
				if selects(r) {
					w.Header().Set("Retry-After", "120") // too long for the SDK to wait it out
					sink.RefuseStorage(http.StatusServiceUnavailable, "ServerBusy")(w, r)
				}
				return selects(r)
			}
			err := upload.Run(t.Context(), plan, p, sink.Target(one), sink.Options())
			testkit.WantFailure(t, err, failure.StorageUnavailable, true)
			var e *failure.Error
			if errors.As(err, &e) && e.RetryAfter != 2*time.Minute {
				t.Errorf("the wait is %s, want 2m", e.RetryAfter)
			}
		})
	}
}

// Two different blocks of one index are of two contents: a list of them would be a
// mixture, whichever comes first.
func TestTwoBlocksOfOneIndexAreRefused(t *testing.T) {
	first, second := tables.Plan(tables.CSV(100), 10), tables.Plan(strings.Replace(tables.CSV(100), "P-7,", "Q-7,", 1), 10)
	p := tables.Prepare(t, first)
	ids := map[string]string{}
	for name, plan := range map[string]pipeline.Plan{"first": first, "second": second} {
		prepared := tables.Prepare(t, plan)
		testkit.Must(t, pipeline.Make(t.Context(), plan, prepared, pipeline.MakeOptions{Stripes: prepared.Stripes, AtOnce: 1, Workers: 1, Emit: func(_ context.Context, index int, data []byte) error {
			if index == 0 {
				ids[name] = block.ID(index, block.Sum(data))
			}
			return nil
		}}))
	}
	for name, list := range map[string][]string{
		"two contents":     {ids["first"], ids["second"]},
		"the other way":    {ids["second"], ids["first"]},
		"no block of ours": {"QQ=="},
	} {
		for call, do := range map[string]func(upload.Target) error{
			"upload": func(to upload.Target) error { return upload.Run(t.Context(), first, p, to, sink.Options()) },
			"seal":   func(to upload.Target) error { return upload.Seal(t.Context(), p, to) },
		} {
			t.Run(call+" of "+name, func(t *testing.T) {
				s := sink.New(t)
				one := s.Open(p, first)
				s.Spoil = lists(list)
				testkit.WantFailure(t, do(sink.Target(one)), failure.SourceChanged, false)
				if state := s.State(one.ID); state == edm.StateUploadCompleted {
					t.Error("a mixture was sealed")
				}
			})
		}
	}
}

// lists lets a storage say that it holds such blocks.
func lists(ids []string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Query().Get("comp") != "blocklist" {
			return false
		}
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("x-ms-request-id", "of the test")
		w.Header().Set("x-ms-version", "2021-12-02")
		_, _ = io.WriteString(w, blockList(ids))
		return true
	}
}

func blockList(ids []string) string {
	text := `<?xml version="1.0" encoding="utf-8"?><BlockList><CommittedBlocks/><UncommittedBlocks>`
	for _, id := range ids {
		text += "<Block><Name>" + id + "</Name><Size>1</Size></Block>"
	}
	return text + "</UncommittedBlocks></BlockList>"
}

// Nothing is sealed while blocks are missing, and what is missing is said.
func TestASealNeedsEveryBlock(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(1_000), 10)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	half, err := p.StripesOf(0, 2)
	testkit.Must(t, err)
	testkit.Must(t, upload.Stage(t.Context(), plan, p, half, sink.Target(one), sink.Options()))
	var sealed bool
	s.Spoil = func(_ http.ResponseWriter, r *http.Request) bool {
		sealed = sealed || sink.IsSeal(r)
		return false
	}
	err = upload.Seal(t.Context(), p, sink.Target(one))
	if !errors.Is(err, upload.ErrBlocksMissing) {
		t.Errorf("the seal ends with %v", err)
	}
	testkit.WantFailure(t, err, failure.StorageUnavailable, true)
	if sealed {
		t.Error("a list with gaps was sent")
	}
}

// A block that the table does not have is of another table: the list is not sealed
// without it.
func TestASealLeavesNoBlockOut(t *testing.T) {
	s := sink.New(t)
	plan := tables.Plan(tables.CSV(100), 10)
	p := tables.Prepare(t, plan)
	one := s.Open(p, plan)
	ids := []string{block.ID(10, 1)}
	testkit.Must(t, pipeline.Make(t.Context(), plan, p, pipeline.MakeOptions{Stripes: p.Stripes, AtOnce: 1, Workers: 1, Emit: func(_ context.Context, index int, data []byte) error {
		ids = append(ids, block.ID(index, block.Sum(data)))
		return nil
	}}))
	s.Spoil = lists(ids)
	testkit.WantFailure(t, upload.Seal(t.Context(), p, sink.Target(one)), failure.SourceChanged, false)
}

// A table that has as many bytes and fewer rows than when it was prepared changed.
func TestARowThatIsGoneIsAChange(t *testing.T) {
	s := sink.New(t)
	text := tables.CSV(100)
	p := tables.Prepare(t, tables.Plan(text, 10))
	plan := tables.Plan(strings.Replace(text, "\nP-98,", ".P-98.", 1), 10)
	testkit.WantFailure(t, upload.Run(t.Context(), plan, p, sink.Target(s.Open(p, plan)), sink.Options()), failure.SourceChanged, false)
}
