package service_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/semaphore"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/service"
	"exactmatch.dev/operator/internal/testkit"
	blocks "exactmatch.dev/operator/internal/upload"
)

// Blocks that contradict their session end the upload at the first of them, for
// good: nothing of it is staged, and nobody sends it again.
func TestAnUploadOfOtherBlocksEnds(t *testing.T) {
	dir := t.TempDir()
	c, _ := serve(t, service.Config{Dir: dir})
	u := newUser(t, c)
	plan, _, one := u.open(tableOf(30, "a"), 10)
	plan.Key = []byte("another key for tests, of 32 bytes or more")
	p, err := pipeline.Prepare(t.Context(), plan)
	testkit.Must(t, err)
	sent := 0
	web := &http.Client{Transport: counting{&sent}}
	err = blocks.Run(t.Context(), plan, p, blocks.Target{HTTP: web, URI: func() string { return one.DataUploadURI }, Parallelism: 1},
		blocks.Options{Memory: semaphore.NewWeighted(64 << 20), MemorySize: 64 << 20})
	var refused *failure.Error
	if !errors.As(err, &refused) || refused.Reason != failure.StorageRefused || refused.Transient {
		t.Fatalf("the upload ends with %v", err)
	}
	if sent != 1 {
		t.Errorf("%d blocks were sent", sent)
	}
	if kept, err := os.ReadDir(filepath.Join(dir, "blocks", one.ID)); err == nil && len(kept) > 0 {
		t.Errorf("what was refused is kept: %v", kept)
	}
}

// counting counts the blocks that are sent.
type counting struct{ sent *int }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		*c.sent++
	}
	return http.DefaultTransport.RoundTrip(r)
}
