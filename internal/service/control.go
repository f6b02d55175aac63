package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/records"
)

// control answers commands on the same machine by a socket in the data folder, so that
// they can have the records of a service that runs: who may read the folder may ask.
type control struct {
	dir     string
	records interface {
		records.Store
		Snapshot(ctx context.Context, w io.Writer) error
	}
	log *slog.Logger
}

// The paths at the socket.
const (
	snapshotPath   = "/snapshot"
	unfinishedPath = "/unfinished"
)

// serve answers until ctx ends. Without a socket all works but backups.
func (c *control) serve(ctx context.Context) {
	listener, err := c.listen(ctx)
	if err != nil {
		c.log.Warn("no command can ask for the records while the service runs, so a backup needs one that is stopped", "error", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+snapshotPath, c.snapshot)
	mux.HandleFunc("GET "+unfinishedPath, c.unfinished)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		c.log.Warn("the socket for commands fails", "error", err)
	}
}

// listen makes the socket. The database is this process's, so one that is there was left
// by a crash.
func (c *control) listen(ctx context.Context) (net.Listener, error) {
	path := folder.Socket(c.dir)
	if err := errors.Join(os.RemoveAll(filepath.Dir(path)), os.Mkdir(filepath.Dir(path), 0o700)); err != nil {
		return nil, err
	}
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// snapshot sends the database of one moment. It is written to a file first: changes wait
// for a reader of the database, and a caller may be slow.
func (c *control) snapshot(w http.ResponseWriter, r *http.Request) {
	file, err := os.CreateTemp(filepath.Dir(folder.Socket(c.dir)), "records-")
	if err == nil {
		defer func() { _ = file.Close() }() // it has no name any more
		err = errors.Join(os.Remove(file.Name()), c.records.Snapshot(r.Context(), file))
	}
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekEnd)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, file) // the caller sees that it is cut off
}

func (c *control) unfinished(w http.ResponseWriter, r *http.Request) {
	ids, err := folder.UnfinishedIn(r.Context(), c.records)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	_ = json.NewEncoder(w).Encode(ids) // as above
}

func (c *control) fail(w http.ResponseWriter, r *http.Request, err error) {
	c.log.Error("a command cannot be answered", "path", r.URL.Path, "error", err)
	http.Error(w, err.Error(), http.StatusInternalServerError)
}
