package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/service/fsys"
	"exactmatch.dev/operator/internal/service/index"
)

// lostName is the folder that takes what is unknown, as that of a file system.
const lostName = "lost+found"

// checker looks at the data folder of a service that is stopped, and changes it
// only where it is told to.
type checker struct {
	config Config
	files  fsys.FS
	adopt  bool // the database becomes that of the folder, whatever its identity and stamp
	move   bool // what is unknown goes to lost+found
	out    io.Writer
}

func (c *checker) say(format string, args ...any) { _, _ = fmt.Fprintf(c.out, format+"\n", args...) }

// check says what does not fit together, changes what it is told to, and returns
// an error where anything is left.
func (c *checker) check() error {
	found, err := lookAt(c.files, c.config.Dir)
	var bad *unfit
	if err != nil && (!c.adopt || !errors.As(err, &bad)) {
		return err
	}
	if err := found.hasDatabase(); err != nil {
		return err
	}
	if found.isNew() {
		return fmt.Errorf("%s is empty: the service begins afresh there", c.config.Dir)
	}
	db, err := openRecords(filepath.Join(c.config.Dir, databaseName), c.config.Log) // and no service can start meanwhile
	if err != nil {
		return err
	}
	return errors.Join(c.mend(found, db), db.close())
}

func (c *checker) mend(found *folder, db *records) error {
	if c.adopt {
		if err := c.adoptDatabase(found, db); err != nil {
			return err
		}
	}
	err := found.fits(db)
	var bad *unfit
	if !errors.As(err, &bad) {
		if err == nil {
			c.say("%s fits together", c.config.Dir)
		}
		return err
	}
	for _, reason := range bad.reasons {
		c.say("%s", reason)
	}
	for _, one := range bad.unknown {
		c.say("%s", one)
	}
	if !c.move || len(bad.reasons) > 0 {
		return err
	}
	return c.moveUnknown(bad.unknown)
}

// moveUnknown takes out of the service's sight what no record names. Nothing is
// deleted.
func (c *checker) moveUnknown(all []unknown) error {
	to := filepath.Join(lostName, c.config.Now().UTC().Format("20060102T150405.000000000Z"))
	for _, one := range all {
		from, above := filepath.Join(c.config.Dir, one.kind), filepath.Join(c.config.Dir, to, one.kind)
		err := c.files.MkdirAll(above)
		if err == nil {
			err = c.files.Rename(filepath.Join(from, one.name), filepath.Join(above, one.name))
		}
		if err == nil {
			err = errors.Join(c.files.SyncDir(above), c.files.SyncDir(from))
		}
		if err != nil {
			return fmt.Errorf("move %s/%s to %s: %w", one.kind, one.name, to, err)
		}
		c.say("moved %s/%s to %s", one.kind, one.name, to)
	}
	return errors.Join(c.files.SyncDir(filepath.Join(c.config.Dir, to)), c.files.SyncDir(filepath.Join(c.config.Dir, lostName)), c.files.SyncDir(c.config.Dir))
}

// adoptDatabase makes a database that of the folder: its stamp is raised above all
// that the folder has, and the file identity is written anew.
func (c *checker) adoptDatabase(found *folder, db *records) error {
	if err := db.prepare(); err != nil {
		return err
	}
	least := found.lastStamp()
	err := db.db.Update(func(tx *bbolt.Tx) error {
		stamp, err := stampOf(tx)
		if err != nil {
			return err
		}
		return putStamp(tx, max(stamp, least)+1)
	})
	if err != nil {
		return err
	}
	is, err := db.identity()
	if err != nil {
		return err
	}
	found.identity = &is
	c.say("the database is that of the folder as of now")
	return writeIdentity(c.files, c.config.Dir, is)
}

// lastStamp is the highest stamp that the folder has outside its database.
func (f *folder) lastStamp() (last uint64) {
	if f.identity != nil {
		last = f.identity.stamp
	}
	for _, name := range f.sessions[tablesName] {
		if meta, err := index.ReadMeta(context.Background(), f.tables(), name); err == nil {
			last = max(last, meta.Stamp)
		}
	}
	return last
}
