//go:build e2e

package e2e

import (
	"net"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

const (
	crashRows   = 200_000
	crashBlocks = 40
)

// stopped is a session whose upload a dam holds: some blocks are there, one is
// on its way, and of one the answer is.
func stopped(t *testing.T, name string) (*dam, string) {
	t.Helper()
	numbers(t, name+".csv", crashRows)
	d := newDam(t, 15)
	agentAt(t, name, d.port, "[{name: Number}, {name: Mail}]")
	session(t, name, name+".csv", crashRows/crashBlocks)
	select {
	case <-d.holding:
	case <-time.After(2 * time.Minute):
		t.Fatal("the upload did not come to the dam: " + kubectl(t, "", "get", "exactmatchsession", name, "-o", "yaml"))
	}
	id := field(t, name, ".status.id")
	if id == "" {
		t.Fatal("blocks are staged, so the status must have the remote session's id")
	}
	return d, id
}

// whole wants the session completed as it was opened, each block staged once.
func whole(t *testing.T, name, id string, before map[int]int) {
	t.Helper()
	finishes(t, name, "Completed")
	if now := field(t, name, ".status.id"); now != id {
		t.Fatalf("the remote session is %s, and was %s", now, id)
	}
	after := staged(t, id)
	if len(after) != crashBlocks {
		t.Fatalf("the service has staged %d different blocks, want %d", len(after), crashBlocks)
	}
	for index, times := range after {
		if before[index] > 0 && times > before[index] {
			t.Errorf("block %d was acknowledged before the crash and sent again", index)
		}
	}
	t.Logf("%d of %d blocks were staged before the crash, %d after it, none twice", len(before), crashBlocks, len(after)-len(before))
	store := storeID(t, name)
	all, err := client(t).Sessions().List(t.Context(), store, edm.Query{})
	if err != nil || len(all) != 1 {
		t.Fatalf("the service has %d sessions, want the one (%v)", len(all), err)
	}
}

func storeID(t *testing.T, name string) string {
	t.Helper()
	return kubectl(t, "", "get", "exactmatchdatastore", name, "-o", "jsonpath={.status.id}")
}

func TestManagerKilledInTheUpload(t *testing.T) {
	d, id := stopped(t, "manager-killed")
	before := staged(t, id)
	if len(before) == 0 || len(before) == crashBlocks {
		t.Fatalf("%d blocks are staged, so nothing can be resumed", len(before))
	}
	if err := stack.Kill("manager"); err != nil {
		t.Fatal(err)
	}
	close(d.open)
	if err := startManager(); err != nil {
		t.Fatal(err)
	}
	whole(t, "manager-killed", id, before)
}

func TestManagerStoppedInTheUpload(t *testing.T) {
	d, id := stopped(t, "manager-stopped")
	before := staged(t, id)
	began := time.Now()
	if err := stack.Terminate("manager"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the manager stopped after %s", time.Since(began).Round(100*time.Millisecond))
	close(d.open)
	if err := startManager(); err != nil {
		t.Fatal(err)
	}
	whole(t, "manager-stopped", id, before)
}

func TestServiceKilledInTheUpload(t *testing.T) {
	d, id := stopped(t, "service-killed")
	before := staged(t, id)
	if err := stack.Kill("service"); err != nil {
		t.Fatal(err)
	}
	if err := stack.StartService(); err != nil {
		t.Fatal(err)
	}
	close(d.open)
	whole(t, "service-killed", id, before)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
