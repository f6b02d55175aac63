package service_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// limit bounds the files of the running service, in bytes: what is more
// fails as on a full disk.
func (p *process) limit(t *testing.T, most uint64) {
	t.Helper()
	now := syscall.Rlimit{Cur: most, Max: ^uint64(0)}
	_, _, failed := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.command.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if failed != 0 {
		t.Skipf("the kernel does not limit files: %v", failed)
	}
}

// The database on a full disk refuses what it cannot write, with a code that
// says so, and has lost nothing once there is room.
func TestTheDatabaseOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	p, err := newProcess(dir)
	testkit.Must(t, err)
	defer p.close()
	body := func(name string) edm.DataStore {
		return edm.DataStore{DisplayName: name, Description: fmt.Sprintf("%01000d", 0), Columns: []edm.Column{{Name: "ID", IsSearchable: true}}}
	}
	var made []string
	create := func() reply {
		name := uuid.NewString()
		r := p.api(http.MethodPost, "", "", body(name))
		if r.status == http.StatusCreated {
			made = append(made, name)
		}
		return r
	}
	if r := create(); r.status != http.StatusCreated {
		t.Fatalf("%d %s (%v)", r.status, r.body, r.err)
	}
	info, err := os.Stat(filepath.Join(dir, "service.db"))
	testkit.Must(t, err)
	p.limit(t, uint64(info.Size()))
	refused := 0
	for refused < 3 && len(made) < 500 {
		r := create()
		switch {
		case r.status == http.StatusInsufficientStorage && r.code == edm.CodeStorageFull:
			refused++
		case r.status != http.StatusCreated:
			t.Fatalf("a full disk is answered by %d %s (%v)", r.status, r.body, r.err)
		}
	}
	if refused == 0 {
		t.Fatalf("%d records were written into %d bytes", len(made), info.Size())
	}
	there := func() {
		t.Helper()
		var all struct{ Value []edm.DataStore }
		r := p.api(http.MethodGet, "?$top=1000", "", nil)
		testkit.Must(t, json.Unmarshal(r.body, &all))
		names := map[string]bool{}
		for _, s := range all.Value {
			names[s.DisplayName] = true
		}
		if len(names) != len(made) {
			t.Fatalf("%d data stores are there, %d were acknowledged", len(names), len(made))
		}
		for _, name := range made {
			if !names[name] {
				t.Fatalf("the data store %s is gone", name)
			}
		}
	}
	there()
	p.limit(t, ^uint64(0))
	if r := create(); r.status != http.StatusCreated {
		t.Fatalf("with room again: %d %s (%v)", r.status, r.body, r.err)
	}
	there()
	testkit.Must(t, p.command.Process.Kill())
	_ = p.command.Wait() // as it was killed
	_ = p.stdin.Close()  // its reader is gone
	testkit.Must(t, p.start())
	there()
}
