package bolt

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contents are all records of a database, as text.
func contents(t *testing.T, s *Store) string {
	t.Helper()
	var out bytes.Buffer
	check(t, s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range slices.Concat(buckets, tenantBuckets) {
			if tx.Bucket(name) == nil {
				continue
			}
			check(t, tx.Bucket(name).ForEach(func(k, _ []byte) error {
				if string(k) == string(ledgerKey) {
					return nil
				}
				text, err := getText(tx, name, k)
				_, _ = fmt.Fprintf(&out, "%s/%s: %s\n", name, k, text)
				return err
			}))
		}
		return nil
	}))
	return out.String()
}

// twoStates makes a database and changes it once more. It returns the file and
// the contents before and after that.
func twoStates(t *testing.T) (before, after []byte, was, is string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "service.db")
	s, err := Open(path, slog.New(slog.DiscardHandler))
	check(t, err)
	ctx := t.Context()
	check(t, s.Prepare(ctx))
	for n := range 30 {
		id := fmt.Sprintf("session-%d", n)
		request := records.Request{Kind: records.KindSession, Key: "request-" + id, ID: id, At: time.Now()}
		_, err := records.Create(ctx, s.Of(""), records.Tx.Sessions, request, func(records.Tx) (*records.Session, error) {
			return &records.Session{Session: edm.Session{ID: id, FileName: "before.csv", State: edm.StateCreated}}, nil
		})
		check(t, err)
	}
	check(t, s.Of("").Update(ctx, func(tx records.Tx) error { return tx.Sessions().Delete("session-3") }))
	store := &records.DataStore{DataStore: edm.DataStore{ID: "store"}, Generation: 1}
	check(t, s.Of("").Update(ctx, func(tx records.Tx) error { return tx.DataStores().Put(store) }))
	check(t, s.Of("prod/hr").Update(ctx, func(tx records.Tx) error { return tx.DataStores().Put(store) }))
	was = contents(t, s)
	before, err = os.ReadFile(path)
	check(t, err)
	_, err = records.Change(ctx, s.Of(""), records.Tx.Sessions, "session-7", func(_ records.Tx, one *records.Session) error {
		one.FileName = "after.csv"
		return nil
	})
	check(t, err)
	is = contents(t, s)
	check(t, s.Close())
	after, err = os.ReadFile(path)
	check(t, err)
	if was == is || len(before) == 0 {
		t.Fatal("the last change changes nothing")
	}
	return before, after, was, is
}

// reading opens a file as the database and returns its contents.
func reading(t *testing.T, n int, text []byte) (said string, got string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("service-%d.db", n)) // a refused file may stay locked
	check(t, os.WriteFile(path, text, 0o600))
	var log bytes.Buffer
	s, err := Open(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err == nil {
		got = contents(t, s)
		check(t, s.Close())
	}
	check(t, os.Remove(path))
	return log.String(), got, err
}

// wantAdvice wants an error that names the file and what to do.
func wantAdvice(t *testing.T, what string, err error) {
	t.Helper()
	if text := err.Error(); !bytes.Contains([]byte(text), []byte("service-")) || !bytes.Contains([]byte(text), []byte(restoreAdvice)) {
		t.Fatalf("%s: the service does not say what to do: %v", what, err)
	}
}

func TestNoDamagedDatabaseIsServed(t *testing.T) {
	_, whole, was, is := twoStates(t)
	page := os.Getpagesize()
	refused, tried := 0, 0
	for at := range whole {
		if in := at % page; in >= 96 && in%211 > 0 {
			continue
		}
		damaged := slices.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		tried++
		said, got, err := reading(t, at, damaged)
		what := fmt.Sprintf("a flipped bit in byte %d of page %d", at%page, at/page)
		switch {
		case err != nil:
			refused++
			wantAdvice(t, what, err)
		case got == is:
		case got == was && at < 2*page && bytes.Contains([]byte(said), []byte("cut off")):
		default:
			t.Fatalf("%s: %s\nis served as\n%s\nthe log: %s", what, is, got, said)
		}
	}
	for cut := 1; cut < len(whole); cut += len(whole)/16 + 1 {
		// bbolt makes its file longer than it needs, so the end may be of no use.
		if _, got, err := reading(t, len(whole)+cut, whole[:cut]); err == nil && got != is {
			t.Fatalf("a file that is cut to %d of %d bytes is served: %s", cut, len(whole), got)
		}
	}
	if refused == 0 {
		t.Fatal("no damage is found")
	}
	t.Logf("%d flipped bits, %d refused", tried, refused)
}

// A crash in the middle of the last transaction leaves the one state or the
// other: bbolt writes its pages, then the meta page that makes them count.
func TestATornLastWriteIsTheStateBeforeIt(t *testing.T) {
	before, after, was, is := twoStates(t)
	page := os.Getpagesize()
	before = append(before, make([]byte, max(len(after)-len(before), 0))...)
	var places []int // that the last transaction wrote, in its order
	for _, metas := range []func(int) bool{func(at int) bool { return at >= 2*page }, func(at int) bool { return at < 2*page }} {
		for at := range after {
			if metas(at) && before[at] != after[at] {
				places = append(places, at)
			}
		}
	}
	torn, states := slices.Clone(before), map[string]int{}
	for n, at := range places {
		torn[at] = after[at]
		if at >= 2*page && n%97 > 0 {
			continue
		}
		said, got, err := reading(t, n, torn)
		if err != nil {
			t.Fatalf("after %d of %d bytes the service does not start: %v", n+1, len(places), err)
		}
		if got != was && got != is {
			t.Fatalf("after %d of %d bytes it has\n%s", n+1, len(places), got)
		}
		if at < 2*page && n < len(places)-1 && !bytes.Contains([]byte(said), []byte("cut off")) {
			t.Fatalf("after %d of %d bytes the log says nothing of it: %s", n+1, len(places), said)
		}
		states[got]++
	}
	if states[was] == 0 || states[is] == 0 {
		t.Errorf("the states before and after were seen %d and %d times", states[was], states[is])
	}
}

// A record that is damaged while the service runs is refused when it is read, alone
// and in a list.
func TestADamagedRecordIsNotRead(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "service.db"), slog.New(slog.DiscardHandler))
	check(t, err)
	defer func() { check(t, s.Close()) }()
	ctx := t.Context()
	check(t, s.Prepare(ctx))
	check(t, s.Of("").Update(ctx, func(tx records.Tx) error { return tx.Agents().Put(&edm.UploadAgent{ID: "a", Description: "ours"}) }))
	check(t, s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(agentsBucket)
		return b.Put([]byte("a"), bytes.Replace(b.Get([]byte("a")), []byte("ours"), []byte("ourS"), 1))
	}))
	_, one := records.Get(ctx, s.Of(""), records.Tx.Agents, "a")
	_, all := records.List(ctx, s.Of(""), records.Tx.Agents)
	for what, err := range map[string]error{"read alone": one, "listed": all} {
		if err == nil || !strings.Contains(err.Error(), "agents/a does not have its sum: "+restoreAdvice) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
