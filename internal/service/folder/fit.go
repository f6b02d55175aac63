package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

// The names in a data folder.
const (
	Database = "service.db"
	Tables   = "tables"
	Blocks   = "blocks"
)

// Socket is where the service of a data folder answers commands on its machine.
func Socket(dir string) string { return filepath.Join(dir, "control", "socket") }

// folder is what lies in a data folder, as it is found: looking changes nothing.
type folder struct {
	files    fsys.FS
	dir      string
	identity *identity           // nil where it has none
	database int64               // bytes, -1 where it is missing
	sessions map[string][]string // what lies in tables and in blocks; no entry where that folder is missing
	// restoring says that a restore did not end.
	restoring bool
}

// unfit says why a data folder does not fit together.
type unfit struct {
	dir     string
	reasons []string
	unknown []unknown
}

// unknown is a table or the blocks of a session that are not this database's.
type unknown struct{ kind, name, why string }

func (u unknown) String() string { return u.kind + "/" + u.name + " (" + u.why + ")" }

const (
	unfitAdvice = "put back a copy of the whole folder, its database, identity, tables and blocks of one moment; " +
		"'exactmatch service check --data-dir' lists every inconsistency, and moves what is unknown to lost+found with --move-unknown"
	shownUnknown = 5
)

func (u *unfit) Error() string {
	reasons := slices.Clone(u.reasons)
	if n := len(u.unknown); n > 0 {
		for _, one := range u.unknown[:min(n, shownUnknown)] {
			reasons = append(reasons, one.String())
		}
		if n > shownUnknown {
			reasons = append(reasons, fmt.Sprintf("and %d more that are unknown", n-shownUnknown))
		}
	}
	return fmt.Sprintf("the data folder %s is inconsistent, and nothing in it was changed (%s): %s", u.dir, strings.Join(reasons, "; "), unfitAdvice)
}

// orNil is nil where everything fits.
func (u *unfit) orNil() error {
	if len(u.reasons)+len(u.unknown) == 0 {
		return nil
	}
	return u
}

func (u *unfit) because(format string, args ...any) {
	u.reasons = append(u.reasons, fmt.Sprintf(format, args...))
}

// lookAt finds out what lies in a folder.
func lookAt(fs fsys.FS, dir string) (*folder, error) {
	f := &folder{files: fs, dir: dir, database: -1, sessions: map[string][]string{}}
	entries, err := fs.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the data folder: %w", err)
	}
	for _, e := range entries {
		switch e.Name() {
		case restoringName:
			f.restoring = true
		case Database:
			info, err := e.Info()
			if err != nil {
				return nil, fmt.Errorf("read the data folder: %w", err)
			}
			f.database = info.Size()
		case Tables, Blocks:
			inside, err := fs.ReadDir(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("read the data folder: %w", err)
			}
			names := []string{}
			for _, one := range inside {
				names = append(names, one.Name())
			}
			f.sessions[e.Name()] = names
		}
	}
	if f.identity, err = readIdentity(fs, dir); err != nil {
		var bad *damaged
		if errors.As(err, &bad) {
			return f, &unfit{dir: dir, reasons: []string{bad.what}}
		}
		return nil, fmt.Errorf("read the identity of the data folder: %w", err)
	}
	return f, nil
}

// tables are the folder's tables.
func (f *folder) tables() blobs.Store {
	return blobs.NewFolder(f.files, filepath.Join(f.dir, Tables))
}

// isNew reports whether nothing was ever kept here.
func (f *folder) isNew() bool {
	return f.identity == nil && f.database <= 0 && len(f.sessions[Tables])+len(f.sessions[Blocks]) == 0
}

// hasDatabase refuses a folder that has lost its database, before opening makes a
// new one.
func (f *folder) hasDatabase() error {
	u := &unfit{dir: f.dir}
	switch {
	case f.restoring:
		return fmt.Errorf("a restore of %s has not ended: run 'exactmatch service restore' again, which begins anew", f.dir)
	case f.isNew():
	case f.database < 0:
		u.because("%s is missing", Database)
	case f.database == 0:
		u.because("%s is empty", Database)
	}
	if f.identity != nil {
		for _, name := range []string{Tables, Blocks} {
			if _, there := f.sessions[name]; !there {
				u.because("%s is missing", name)
			}
		}
	}
	return u.orNil()
}

// fits refuses a folder whose database is of another one or of an earlier time, or
// that holds what no record names.
func (f *folder) fits(ctx context.Context, db records.Store) error {
	u := &unfit{dir: f.dir}
	is, err := db.Identity(ctx)
	if err != nil {
		return err
	}
	switch own := f.identity; {
	case own == nil && is.Stamp > firstStamp:
		u.because("%s is missing", identityName)
	case own == nil:
	case own.ID != is.ID:
		u.because("%s is of another data folder", Database)
	case own.Stamp > is.Stamp:
		u.because("%s is older than the folder: its last change is %d, and the folder's %d", Database, is.Stamp, own.Stamp)
	}
	ours, err := named(ctx, db)
	if err != nil {
		return err
	}
	f.findUnknown(ctx, u, ours, is)
	return u.orNil()
}

// findUnknown names what lies there and is not ours.
func (f *folder) findUnknown(ctx context.Context, u *unfit, ours map[string]string, is records.Identity) {
	for _, name := range f.sessions[Tables] {
		_, known := ours[name]
		meta, err := index.ReadMeta(ctx, f.tables(), name)
		switch {
		case err == nil && meta.Folder != "" && meta.Folder != is.ID:
			u.unknown = append(u.unknown, unknown{Tables, name, "it is of another data folder" + hadBy(ours, name)})
			continue
		case err == nil && meta.Stamp > is.Stamp:
			u.because("%s is older than %s/%s%s", Database, Tables, name, hadBy(ours, name))
		}
		if !known { // what cannot be read is not judged by itself: its lookups are refused
			u.unknown = append(u.unknown, unknown{Tables, name, "no record names it"})
		}
	}
	for _, name := range f.sessions[Blocks] {
		if _, known := ours[name]; !known {
			u.unknown = append(u.unknown, unknown{Blocks, name, "no record names it"})
		}
	}
}

// hadBy says whose session a table is of, where a record names it.
func hadBy(ours map[string]string, session string) string {
	tenant := ours[session]
	if tenant == "" {
		return ""
	}
	return fmt.Sprintf(", of the tenant %q", tenant)
}

// firstStamp is that of a database that has an identity and nothing since: a crash
// may have come before the file was made.
const firstStamp = 1

// named are the sessions whose tables and blocks are this database's, and the tenants
// that have them.
func named(ctx context.Context, db records.Store) (map[string]string, error) {
	tenants, err := db.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, tenant := range tenants {
		err := db.Of(tenant).View(ctx, func(tx records.Tx) error {
			of, err := SessionsOf(tx)
			for one := range of {
				names[one] = tenant
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// SessionsOf are the sessions of one tenant that may have tables and blocks: those
// that have a record, those that are live or were so before, and those whose records were removed and
// whose files may be left.
func SessionsOf(tx records.Tx) (map[string]bool, error) {
	names := map[string]bool{}
	sessions, err := tx.Sessions().List()
	if err != nil {
		return nil, err
	}
	for _, one := range sessions {
		names[one.ID] = true
	}
	tombstones, err := tx.Tombstones().List()
	if err != nil {
		return nil, err
	}
	for _, one := range tombstones {
		names[one.Session] = true
	}
	stores, err := tx.DataStores().List()
	for _, one := range stores {
		for _, live := range one.Tables() {
			names[live.SessionID] = true
		}
	}
	return names, err
}
