// Package version says which build this is, and which formats it speaks.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

// What -ldflags -X sets where the build does not see the repository, as in an
// image; else both come from the build's own record.
var number, commit string

// Text is the version, the commit, the Go version and the versions of the formats,
// one a line.
func Text() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return text(info)
}

func text(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := cmp.Or(commit, settings["vcs.revision"], "unknown")
	if commit == "" && settings["vcs.modified"] == "true" {
		revision += " (modified)"
	}
	return fmt.Sprintf("exactmatch %s\ncommit: %s\ngo: %s\nfingerprint rules: %s\nblock format: %s\n",
		cmp.Or(number, info.Main.Version, "unknown"), revision, info.GoVersion, fingerprint.Rules, edm.BlockFormatV1)
}

// Command is the command version.
func Command() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, the commit and the formats of this build", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), Text())
			return err
		},
	}
}
