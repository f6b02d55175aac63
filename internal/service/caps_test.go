package service

import (
	"net/http"
	"strings"
	"testing"
)

// Each cap refuses with the number and the flag that raises it.
func TestCapsAreNamed(t *testing.T) {
	h := newHarness(t) // it has two data stores and one agent
	h.config.MaxDataStores, h.config.MaxUploadAgents = 3, 2
	one := func(target, name string) (int, string) {
		body := `{"description":"` + name + `"}`
		if target == "/exactMatchDataStores" {
			body = `{"displayName":"` + name + `","columns":[{"name":"ID"}]}`
		}
		_, w := h.call(http.MethodPost, base+target, "", []byte(body))
		return w.Code, w.Body.String()
	}
	for target, says := range map[string]string{"/exactMatchDataStores": "3 data stores, the maximum of a tenant (--max-data-stores)", "/exactMatchUploadAgents": "2 upload agents, the maximum of a tenant (--max-upload-agents)"} {
		if status, text := one(target, "the last"); status != http.StatusCreated {
			t.Errorf("the last one: %d %s", status, text)
		}
		if status, text := one(target, "one more"); status != http.StatusConflict || !strings.Contains(text, says) {
			t.Errorf("one more: %d %s", status, text)
		}
	}
	stage := func(what string, status int, says string) {
		t.Helper()
		_, w := h.call(http.MethodPut, h.blockURI("staged"), "", h.data[1])
		if w.Code != status || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	tables, err := h.space.Used()
	h.must(err)
	h.config.MaxDisk = tables + h.Service.blocks.Kept() + blockWeight*(h.Service.blocks.Size()+int64(len(h.data[1]))) - 1
	stage("a byte too much", http.StatusInsufficientStorage, "--max-disk")
	h.config.MinFreeDisk = 1 << 20
	h.space.Free = func() (int64, error) { return 2<<20 + int64(len(h.data[1])) - 1, nil }
	stage("too little is free", http.StatusInsufficientStorage, "--min-free-disk")
	h.config.MaxDisk++
	h.space.Free = func() (int64, error) { return 2<<20 + int64(len(h.data[1])), nil }
	stage("just enough", http.StatusCreated, "")
}
