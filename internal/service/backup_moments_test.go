package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
)

// One backup at a time works in a folder.
func TestBackupsComeOneAfterAnother(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	held := heldSource{socketSource: newSocketSource(folder.Socket(b.config.Dir)), began: make(chan struct{}), goes: make(chan struct{})}
	first := b.command(held, fsys.OS{})
	ended := make(chan error, 1)
	go func() { ended <- first.Run(t.Context()) }()
	<-held.began
	b.refuses("which another backup or restore may be using", "backup", "--data-dir", b.config.Dir, "--to", b.to)
	b.refuses("which another backup or restore may be using", "restore", "--from", b.to, "--data-dir", t.TempDir())
	close(held.goes)
	b.must(<-ended)
}

// command is a backup that is made within the test.
func (b *backedUp) command(source folder.Source, files fsys.FS) *folder.Backup {
	return &folder.Backup{FS: files, Dir: b.config.Dir, To: b.to, Source: source, Out: io.Discard, Log: b.config.Log, Now: time.Now}
}

// heldSource waits before it has the records.
type heldSource struct {
	*socketSource
	began, goes chan struct{}
}

func (s heldSource) Snapshot(ctx context.Context, w io.Writer) error {
	close(s.began)
	<-s.goes
	return s.socketSource.Snapshot(ctx, w)
}

// meddling calls back before a file is opened for the first time.
type meddling struct {
	fsys.OS
	meddle func(path string)
}

func (m meddling) Open(path string) (fsys.File, error) {
	m.meddle(path)
	return m.OS.Open(path)
}

func (m meddling) ReadDir(path string) ([]os.DirEntry, error) {
	all, err := m.OS.ReadDir(path)
	m.meddle(path)
	return all, err
}

// A table that goes while it is listed is not in the backup.
func TestATableThatGoesWhileItIsListed(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	h, gone := b.have["prod/hr"], false
	table := filepath.Join(b.config.Dir, "tables", h.live)
	files := meddling{meddle: func(path string) {
		if !gone && (path == table || path == filepath.Join(table, "manifest.json")) {
			gone = true
			b.as("prod/hr", http.MethodDelete, "/exactMatchDataStores/"+h.store, "")
		}
	}}
	b.must(b.command(newSocketSource(folder.Socket(b.config.Dir)), files).Run(t.Context()))
	if !gone {
		t.Fatal("nothing went")
	}
	b.restored()
	b.lacksTheStore("prod/hr")
	b.answers("prod/hr2")
}

// What ends while its files are copied is not in the backup, whole or in part: it has the
// records of another moment then.
func TestFilesThatGoDuringABackup(t *testing.T) {
	for what, of := range map[string]func(*possessions) string{
		"open":   func(h *possessions) string { return h.open },
		"sealed": func(h *possessions) string { return h.sealed },
		"live":   func(h *possessions) string { return h.live },
	} {
		t.Run(what, func(t *testing.T) {
			b := newBackedUp(t)
			defer b.answersCommands()()
			h := b.have["prod/hr"]
			store, gone := "/exactMatchDataStores/"+h.store, false
			files := meddling{meddle: func(path string) {
				if gone || !strings.HasPrefix(path, b.config.Dir) || !strings.Contains(path, of(h)) || strings.HasSuffix(path, "manifest.json") {
					return
				}
				gone = true
				if what == "live" {
					b.as("prod/hr", http.MethodDelete, store, "")
					return
				}
				b.as("prod/hr", http.MethodPost, store+"/sessions/"+of(h)+"/cancel", "")
			}}
			b.must(b.command(newSocketSource(folder.Socket(b.config.Dir)), files).Run(t.Context()))
			if !gone {
				t.Fatal("nothing went")
			}
			b.restored()
			b.answers("prod/hr2")
			if what == "live" {
				b.lacksTheStore("prod/hr")
				return
			}
			one, err := records.Get(t.Context(), b.records.Of("prod/hr"), records.Tx.Sessions, of(h))
			b.must(err)
			if one.State != "Cancelled" {
				t.Errorf("the session is %s", one.State)
			}
		})
	}
}

// A session that ends once its record was taken is not taken for one with fewer blocks.
func TestASessionThatEndsDuringABackup(t *testing.T) {
	for what, of := range map[string]func(*possessions) string{
		"open":   func(h *possessions) string { return h.open },
		"sealed": func(h *possessions) string { return h.sealed },
	} {
		t.Run(what, func(t *testing.T) {
			b := newBackedUp(t)
			defer b.answersCommands()()
			h := b.have["prod/hr"]
			source := &endingSource{socketSource: newSocketSource(folder.Socket(b.config.Dir)), end: func() {
				b.as("prod/hr", http.MethodPost, "/exactMatchDataStores/"+h.store+"/sessions/"+of(h)+"/cancel", "")
			}}
			b.must(b.command(source, fsys.OS{}).Run(t.Context()))
			b.restored()
			if one, err := records.Get(t.Context(), b.records.Of("prod/hr"), records.Tx.Sessions, of(h)); err != nil || one.State != "Cancelled" {
				t.Errorf("the session is %+v (%v)", one, err)
			}
		})
	}
}

// endingSource ends a session once its record was taken.
type endingSource struct {
	*socketSource
	end func()
}

func (s *endingSource) Snapshot(ctx context.Context, w io.Writer) error {
	err := s.socketSource.Snapshot(ctx, w)
	if s.end != nil {
		s.end()
		s.end = nil
	}
	return err
}

// A folder that changes all the time ends a backup, and leaves the ones before.
func TestABackupGivesUp(t *testing.T) {
	b := newBackedUp(t)
	defer b.answersCommands()()
	b.backup("is whole")
	n := 0
	source := &restless{socketSource: newSocketSource(folder.Socket(b.config.Dir)), unfinished: func() []string { n++; return nil }}
	source.change = func() {
		h := b.have["prod/hr"]
		b.must(b.records.Of("prod/hr").Update(t.Context(), func(tx records.Tx) error {
			one, err := tx.Sessions().Get(h.open)
			if err != nil {
				return err
			}
			one.ID = fmt.Sprintf("another-%d", n)
			return errors.Join(tx.Sessions().Delete(h.open), tx.Sessions().Put(one), func() error { h.open = one.ID; return nil }())
		}))
	}
	err := b.command(source, fsys.OS{}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "while they were copied") || n < 10 {
		t.Errorf("after %d moments: %v", n, err)
	}
	if len(b.backups()) != 1 {
		t.Errorf("there are the backups %q", b.backups())
	}
	b.restored()
}

// restless has another session open at each moment.
type restless struct {
	*socketSource
	change     func()
	unfinished func() []string
}

func (s *restless) Snapshot(ctx context.Context, w io.Writer) error {
	s.change()
	return s.socketSource.Snapshot(ctx, w)
}

func (s *restless) Unfinished(context.Context) ([]string, error) { return s.unfinished(), nil }
