package folder

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/records"
)

// A data folder has an identity, a UUID that its database, its tables and the file
// "identity" carry. With it goes a stamp, a number that each change of the database
// raises: in the database with the change itself, then in the file. So a database
// is never behind its folder, but for one that was put back from an earlier time.
type identity records.Identity

// identityName is the file's name. It sorts before that of the database: a copy of
// the folder that is made in the order of names holds a stamp that is not ahead.
const identityName = "identity"

// The file has two lines of the same length and writes them in turn, so that a
// crash in the middle of one leaves the other. A line ends with its own sum.
const (
	identityLine  = 36 + 1 + 16 + 1 + 16 + 1
	identityLines = 2
)

func (i identity) line() []byte {
	text := fmt.Sprintf("%s %016x", i.ID, i.Stamp)
	return fmt.Appendf(nil, "%s %016x\n", text, block.Sum([]byte(text)))
}

// parseIdentity returns the line of the higher stamp; false where no line has its
// sum, or the two are of different folders.
func parseIdentity(text []byte) (last identity, ok bool) {
	for n := range identityLines {
		if len(text) < (n+1)*identityLine {
			break
		}
		line := text[n*identityLine:][:identityLine]
		var one identity
		if _, err := fmt.Sscanf(string(line), "%36s %016x", &one.ID, &one.Stamp); err != nil || string(one.line()) != string(line) {
			continue
		}
		if ok && one.ID != last.ID {
			return identity{}, false
		}
		if !ok || one.Stamp > last.Stamp {
			last, ok = one, true
		}
	}
	return last, ok
}

// damaged says that the identity is not what was written.
type damaged struct{ what string }

func (d *damaged) Error() string { return d.what }

// readIdentity reads the file of a folder, nil where there is none.
func readIdentity(fs fsys.FS, dir string) (*identity, error) {
	text, err := fsys.ReadWhole(fs, filepath.Join(dir, identityName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	is, ok := parseIdentity(text)
	if !ok {
		return nil, &damaged{"identity is damaged"}
	}
	return &is, nil
}

// IsAt reports, as an error, that a path does not lead to the data folder of an identity.
func IsAt(dir, id string) error {
	is, err := readIdentity(fsys.OS{}, dir)
	switch {
	case err != nil:
		return err
	case is == nil:
		return fmt.Errorf("%s has no identity: is its volume mounted?", dir)
	case is.ID != id:
		return fmt.Errorf("%s is another data folder", dir)
	}
	return nil
}

// writeIdentity makes the file, whole or not at all.
func writeIdentity(fs fsys.FS, dir string, is identity) error {
	return fsys.WriteSynced(fs, dir, identityName, []byte(strings.Repeat(string(is.line()), identityLines)))
}

// identityFile is the open file of a service that runs. It implements
// bolt.StampWriter.
type identityFile struct {
	file fsys.File
	log  *slog.Logger

	mu  sync.Mutex
	is  identity
	err error // of the last write
}

func openIdentity(fs fsys.FS, dir string, is identity, log *slog.Logger) (*identityFile, error) {
	f, err := fs.Edit(filepath.Join(dir, identityName))
	if err != nil {
		return nil, err
	}
	return &identityFile{file: f, log: log, is: is}, nil
}

// WriteStamp writes the stamp of a change that the database has. Where that fails the
// change stands: the stamp only lags, and the next one mends it.
func (f *identityFile) WriteStamp(stamp uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stamp <= f.is.Stamp {
		return // a change beside this one has written a later stamp
	}
	next := identity{f.is.ID, stamp}
	_, err := f.file.WriteAt(next.line(), int64(stamp%identityLines)*identityLine)
	if err == nil {
		err = f.file.Sync()
	}
	if err == nil {
		f.is = next
	} else if f.err == nil {
		f.log.Warn("the stamp in the file identity cannot be written: an earlier copy of the database may not be noticed", "error", err)
	}
	f.err = err
}

// Err is why the last stamp could not be written.
func (f *identityFile) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Close implements bolt.StampWriter.
func (f *identityFile) Close() error { return f.file.Close() }
