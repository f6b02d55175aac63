package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
)

// backupCommand is "exactmatch service backup".
func backupCommand() *cobra.Command {
	b := &folder.Backup{FS: fsys.OS{}, Now: time.Now}
	c := &cobra.Command{
		Use: "backup", Short: "Back up the data folder of a service, which may run", Args: cobra.NoArgs,
		Long: "Backup copies the records of one moment, and every file that they name, to a folder of backups, on another disk. It asks\n" +
			"the service that uses the data folder for the records by the socket control/socket in it, so it runs on the same machine,\n" +
			"as the same user: in the service's pod, or in another one with its volume. Of a service that is stopped it reads them itself.\n" +
			"Files that an earlier backup has are not copied again. A backup that is cut off is none, and the next one goes on with its copies.",
		RunE: func(c *cobra.Command, _ []string) error {
			if b.Keep < 0 {
				return errors.New("--keep must be 0, for all backups, or more")
			}
			b.Out, b.Log = c.OutOrStdout(), slog.Default()
			return backUp(c.Context(), b)
		},
	}
	flags := c.Flags()
	flags.StringVar(&b.Dir, "data-dir", "data", "folder of everything that the service keeps")
	flags.StringVar(&b.To, "to", "", "folder of backups, on another disk (required)")
	flags.IntVar(&b.Keep, "keep", 0, "backups that stay: earlier ones are removed, and the copies that no other has; 0 for all")
	_ = c.MarkFlagRequired("to") // the flag is there
	return c
}

// restoreCommand is "exactmatch service restore".
func restoreCommand() *cobra.Command {
	r := &folder.Restore{FS: fsys.OS{}}
	c := &cobra.Command{
		Use: "restore", Short: "Make a data folder out of a backup", Args: cobra.NoArgs,
		Long: "Restore makes a data folder out of a backup, in an empty folder, and compares the sum of every file. Until it has ended no\n" +
			"service starts there; where it was stopped, run it again. Upload URIs from before are not valid in the folder that it makes.",
		RunE: func(c *cobra.Command, _ []string) error {
			r.Out, r.Log = c.OutOrStdout(), slog.Default()
			return r.Run(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringVar(&r.From, "from", "", "folder of backups (required)")
	flags.StringVar(&r.ID, "backup", "", "which of them; default: the last one that is whole")
	flags.StringVar(&r.Dir, "data-dir", "data", "folder that is made; it is empty or missing")
	_ = c.MarkFlagRequired("from") // the flag is there
	return c
}

// backUp makes a backup of a service, whether it runs or not.
func backUp(ctx context.Context, b *folder.Backup) error {
	running := newSocketSource(folder.Socket(b.Dir))
	if _, err := running.Unfinished(ctx); err == nil || !isStopped(err) {
		b.Source = running
		return b.Run(ctx)
	}
	stopped, err := folder.OpenStopped(b.Dir, b.Log)
	if err != nil {
		return err
	}
	b.Source = stopped
	return errors.Join(b.Run(ctx), stopped.Close())
}

// isStopped reports whether nobody listens at a socket.
func isStopped(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// socketSource asks a service that runs.
type socketSource struct{ client *http.Client }

func newSocketSource(path string) *socketSource {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &socketSource{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

func (s *socketSource) get(ctx context.Context, path string, take func(io.Reader) error) (err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://control"+path, nil)
	if err != nil {
		return err
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // the status is the error
		return fmt.Errorf("the service answers %d: %s", answer.StatusCode, strings.TrimSpace(string(why)))
	}
	return take(answer.Body)
}

// Snapshot implements folder.Source.
func (s *socketSource) Snapshot(ctx context.Context, w io.Writer) error {
	return s.get(ctx, snapshotPath, func(body io.Reader) error {
		_, err := io.Copy(w, body)
		return err
	})
}

// Unfinished implements folder.Source.
func (s *socketSource) Unfinished(ctx context.Context) (ids []string, err error) {
	err = s.get(ctx, unfinishedPath, func(body io.Reader) error { return json.NewDecoder(body).Decode(&ids) })
	return ids, err
}
