package pipeline_test

import (
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
)

// crcOf is a CRC-64 as the storage's header has it.
func crcOf(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, block.Sum(data)))
}

// A block that is damaged on its way must not be taken by any storage: each carries
// the sum of its bytes, whatever else the storage compares.
func TestEveryBlockCarriesItsSum(t *testing.T) {
	s := newSink(t)
	plan := planOf(csvOf(100), 10)
	p := prepare(t, plan)
	one := s.open(p, plan)
	var mu sync.Mutex
	right := 0
	s.spoil = func(_ http.ResponseWriter, r *http.Request) bool {
		if !isBlock(r) {
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
	must(t, pipeline.Upload(t.Context(), plan, p, target(one), options()))
	if right != 10 {
		t.Errorf("%d of 10 blocks carry their sum", right)
	}
}

// What the storage asks to wait is told to whoever tries again.
func TestTheStoragesRetryAfterIsTold(t *testing.T) {
	plan := planOf(csvOf(100), 10)
	p := prepare(t, plan)
	for name, selects := range map[string]func(*http.Request) bool{"a block": isBlock, "the seal": isSeal} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t)
			one := s.open(p, plan)
			s.spoil = func(w http.ResponseWriter, r *http.Request) bool {
				if selects(r) {
					w.Header().Set("Retry-After", "120") // too long for the SDK to wait it out
					refuseStorage(http.StatusServiceUnavailable, "ServerBusy")(w, r)
				}
				return selects(r)
			}
			err := pipeline.Upload(t.Context(), plan, p, target(one), options())
			wantReason(t, err, failure.StorageUnavailable, true)
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
	first, second := planOf(csvOf(100), 10), planOf(strings.Replace(csvOf(100), "P-7,", "Q-7,", 1), 10)
	p := prepare(t, first)
	ids := map[string]string{}
	for name, plan := range map[string]pipeline.Plan{"first": first, "second": second} {
		must(t, pipeline.Make(t.Context(), plan, prepare(t, plan), 1, func(index int, data []byte) error {
			if index == 0 {
				ids[name] = block.ID(index, block.Sum(data))
			}
			return nil
		}))
	}
	for name, list := range map[string][]string{
		"two contents":     {ids["first"], ids["second"]},
		"the other way":    {ids["second"], ids["first"]},
		"no block of ours": {"QQ=="},
	} {
		for call, do := range map[string]func(pipeline.Target) error{
			"upload": func(to pipeline.Target) error { return pipeline.Upload(t.Context(), first, p, to, options()) },
			"seal":   func(to pipeline.Target) error { return pipeline.Seal(t.Context(), p, to) },
		} {
			t.Run(call+" of "+name, func(t *testing.T) {
				s := newSink(t)
				one := s.open(p, first)
				s.spoil = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodGet || r.URL.Query().Get("comp") != "blocklist" {
						return false
					}
					w.Header().Set("Content-Type", "application/xml")
					w.Header().Set("x-ms-request-id", "of the test")
					w.Header().Set("x-ms-version", "2021-12-02")
					_, _ = io.WriteString(w, blockList(list))
					return true
				}
				wantReason(t, do(target(one)), failure.SourceChanged, false)
				if state := s.state(one.ID); state == edm.StateUploadCompleted {
					t.Error("a mixture was sealed")
				}
			})
		}
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
	s := newSink(t)
	plan := planOf(csvOf(1_000), 10)
	p := prepare(t, plan)
	one := s.open(p, plan)
	half, err := p.Share(0, 2)
	must(t, err)
	must(t, pipeline.Stage(t.Context(), plan, p, half, target(one), options()))
	var sealed bool
	s.spoil = func(_ http.ResponseWriter, r *http.Request) bool {
		sealed = sealed || isSeal(r)
		return false
	}
	err = pipeline.Seal(t.Context(), p, target(one))
	if !errors.Is(err, pipeline.ErrBlocksMissing) {
		t.Errorf("the seal ends with %v", err)
	}
	wantReason(t, err, failure.StorageUnavailable, true)
	if sealed {
		t.Error("a list with gaps was sent")
	}
}

// A block that the table does not have is of another table: the list is not sealed
// without it.
func TestASealLeavesNoBlockOut(t *testing.T) {
	s := newSink(t)
	plan := planOf(csvOf(100), 10)
	p := prepare(t, plan)
	one := s.open(p, plan)
	ids := []string{block.ID(10, 1)}
	must(t, pipeline.Make(t.Context(), plan, p, 1, func(index int, data []byte) error {
		ids = append(ids, block.ID(index, block.Sum(data)))
		return nil
	}))
	s.spoil = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Query().Get("comp") != "blocklist" {
			return false
		}
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("x-ms-request-id", "of the test")
		w.Header().Set("x-ms-version", "2021-12-02")
		_, _ = io.WriteString(w, blockList(ids))
		return true
	}
	wantReason(t, pipeline.Seal(t.Context(), p, target(one)), failure.SourceChanged, false)
}

// A table that has as many bytes and fewer rows than when it was prepared changed.
func TestARowThatIsGoneIsAChange(t *testing.T) {
	s := newSink(t)
	text := csvOf(100)
	p := prepare(t, planOf(text, 10))
	plan := planOf(strings.Replace(text, "\nP-98,", ".P-98.", 1), 10)
	wantReason(t, pipeline.Upload(t.Context(), plan, p, target(s.open(p, plan)), options()), failure.SourceChanged, false)
}
