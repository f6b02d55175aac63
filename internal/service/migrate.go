package service

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
)

// leastIndexMemory is the least --index-memory, in MiB.
const leastIndexMemory = 128

func migrateCommand() *cobra.Command {
	m := &folder.Migrate{FS: fsys.OS{}, Now: time.Now}
	memory := int64(0)
	c := &cobra.Command{
		Use: "migrate", Short: "Give the tables of a stopped service the form of this version", Args: cobra.NoArgs,
		Long: "Migrate gives the tables that an earlier version indexed the form that this version reads, in the data folder of a\n" +
			"service that is stopped. It may be run again after it was interrupted. Make a copy of the folder first: the earlier\n" +
			"version does not read what it has migrated.",
		RunE: func(c *cobra.Command, _ []string) error {
			m.Out, m.Log, m.Memory = c.OutOrStdout(), slog.Default(), memory<<20
			return m.Run(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringVar(&m.Dir, "data-dir", "data", "folder of everything that the service keeps")
	flags.Int64Var(&memory, "index-memory", 256, "budget of indexing, in MiB")
	return c
}
