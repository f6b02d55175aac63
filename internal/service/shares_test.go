package service

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/folder"
)

// Each tenant may have as much as the flags say, whatever others have, and what it
// is refused says nothing of them.
func TestBoundsAreATenantsOwn(t *testing.T) {
	s := newShared(t, Config{MaxDataStores: 2, MaxUploadAgents: 2})
	for _, tenant := range sharers {
		for path, what := range map[string]string{"/exactMatchUploadAgents": "2 upload agents", "/exactMatchDataStores": "2 data stores"} {
			body := map[string]string{"/exactMatchUploadAgents": tenantsAgent, "/exactMatchDataStores": storeBody}[path]
			for n, want := range []int{http.StatusCreated, http.StatusConflict} {
				r := s.request(tenant, http.MethodPost, path, strings.Replace(body, "live", []string{"second", "third"}[n], 1))
				r.Header.Del("client-request-id")
				w := s.answer(r)
				if w.Code != want || want == http.StatusConflict && !strings.Contains(w.Body.String(), what) {
					t.Errorf("%q POST %s: %d %s", tenant, path, w.Code, w.Body)
				}
			}
		}
	}
}

// stageOne sends the first block of the session that is open.
func (s *shared) stageOne(tenant string) (status int, text string) {
	w := s.upload(http.MethodPut, blockOf(s.have[tenant].uri, block.ID(0, block.Sum(s.data[0]))), s.data[0])
	return w.Code, w.Body.String()
}

// A tenant's share of the disk is counted from its own tables and blocks.
func TestTheShareOfTheDiskIsATenantsOwn(t *testing.T) {
	s := newShared(t, Config{})
	s.space = folder.NewSpace(s.config.Dir) // which has measured nothing yet
	own := map[string]int64{}
	for _, tenant := range sharers {
		tables, err := s.tablesOf(t.Context(), tenant)
		s.must(err)
		own[tenant] = tables + blockWeight*s.blocks.SizeOf(tenant)
		if tables == 0 || s.blocks.SizeOf(tenant) == 0 {
			t.Fatalf("%q has %d bytes of tables and %d of blocks", tenant, tables, s.blocks.SizeOf(tenant))
		}
	}
	used, err := s.space.Used()
	s.must(err)
	if sum := own[""] + own["prod/hr"] + own["prod/hr2"]; sum > used+blockWeight*s.blocks.Size() {
		t.Errorf("the tenants have %d bytes together, of %d and %d", sum, used, s.blocks.Size())
	}
	size := int64(len(s.data[0]))
	for _, tenant := range sharers {
		s.config.MaxTenantDisk = own[tenant] + blockWeight*size - 1
		if status, text := s.stageOne(tenant); status != http.StatusInsufficientStorage || !strings.Contains(text, "--max-tenant-disk") {
			t.Errorf("%q, a byte too much: %d %s", tenant, status, text)
		}
		s.config.MaxTenantDisk++
		if status, text := s.stageOne(tenant); status != http.StatusCreated {
			t.Errorf("%q, just enough: %d %s", tenant, status, text)
		}
	}
}

// What all tenants take together is told to nobody who has one.
func TestRefusalsOfTheWholeDiskSayNothingToTenants(t *testing.T) {
	s := newShared(t, Config{})
	full := func(what string) {
		t.Helper()
		for _, tenant := range sharers {
			status, text := s.stageOne(tenant)
			if status != http.StatusInsufficientStorage {
				t.Errorf("%s, %q: %d %s", what, tenant, status, text)
			}
			if says := strings.Contains(text, "MiB"); says != (tenant == "") {
				t.Errorf("%s, %q is told %s", what, tenant, text)
			}
		}
	}
	s.config.MaxDisk = 1
	full("over --max-disk")
	s.config.MaxDisk = 1 << 40
	s.space.Free = func() (int64, error) { return 0, nil }
	full("a full disk")
}

// However many sessions a tenant sends from, another's block finds memory, and comes
// before more of the first one's.
func TestMemoryIsSharedAmongTenants(t *testing.T) {
	b := newUploadBudget(8)
	take := func(tenant, session string, bytes int64) chan error {
		got := make(chan error, 1)
		by := uploader{tenant, session}
		go func() { got <- b.acquire(t.Context(), by, bytes) }()
		for waits := false; !waits && len(got) == 0; {
			b.mu.Lock()
			waits = slices.ContainsFunc(b.waiting, func(w *waiter) bool { return w.uploader == by })
			b.mu.Unlock()
		}
		return got
	}
	must := func(what string, got chan error) {
		t.Helper()
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s waits", what)
		}
	}
	give := func(tenant, session string, bytes int64) { b.release(uploader{tenant, session}, bytes) }
	must("a tenant's first session", take("greedy", "1", 4))
	must("its second, as long as there is no other tenant", take("greedy", "2", 4))
	third := take("greedy", "3", 2)
	modest := take("modest", "1", 2)
	if len(third)+len(modest) > 0 {
		t.Fatal("memory was given that is not there")
	}
	give("greedy", "1", 4)
	must("another tenant", modest)
	must("another session of it", take("modest", "2", 2))
	if len(third) > 0 {
		t.Error("a tenant has more than its share beside another")
	}
	fourth := take("modest", "3", 2)
	late := take("late", "1", 1)
	give("greedy", "2", 2)
	must("a tenant that holds nothing, before those that hold some", late)
	give("greedy", "2", 2)
	must("one that has room in its share again", third)
	if len(fourth) > 0 {
		t.Error("a tenant has more than half by a third session")
	}
	give("modest", "1", 2)
	must("the session that waited for its own tenant's share", fourth)
}
