package service

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"exactmatch.dev/operator/internal/service/folder"
	"exactmatch.dev/operator/internal/service/fsys"
)

// offline is a command on the data folder of a service that is stopped.
func offline(c *cobra.Command, run func(*cobra.Command, *folder.Tenants, []string) error) *cobra.Command {
	t := &folder.Tenants{FS: fsys.OS{}, Now: time.Now}
	c.Flags().StringVar(&t.Dir, "data-dir", "data", "folder of everything that the service keeps")
	c.RunE = func(c *cobra.Command, args []string) error {
		t.Out, t.Log = c.OutOrStdout(), slog.Default()
		return run(c, t, args)
	}
	return c
}

// assignCommand is "exactmatch service assign".
func assignCommand() *cobra.Command {
	var store, tenant string
	c := offline(&cobra.Command{
		Use: "assign", Short: "Give a data store that has no tenant to one, in the data folder of a stopped service", Args: cobra.NoArgs,
		Long: "Assign gives a data store from before there were tenants to one, with its sessions, the request ids of their creates and\n" +
			"copies of the upload agents that they name. Without it only administrators see the store. A tenant that has a data store\n" +
			"of the same displayName refuses it. It is done whole or not at all, and may be repeated.",
	}, func(c *cobra.Command, t *folder.Tenants, _ []string) error {
		return t.Assign(c.Context(), store, tenant)
	})
	c.Flags().StringVar(&store, "store", "", "displayName or id of the data store (required)")
	c.Flags().StringVar(&tenant, "tenant", "", "name of the tenant, such as prod/hr (required)")
	_ = c.MarkFlagRequired("store") // the flags are there
	_ = c.MarkFlagRequired("tenant")
	return c
}

// tenantCommand is "exactmatch service tenant".
func tenantCommand() *cobra.Command {
	c := &cobra.Command{Use: "tenant", Short: "List and retire tenants, in the data folder of a stopped service"}
	c.AddCommand(offline(&cobra.Command{
		Use: "list", Short: "Say what each tenant has", Args: cobra.NoArgs,
	}, func(c *cobra.Command, t *folder.Tenants, _ []string) error { return t.List(c.Context()) }), retireCommand())
	return c
}

func retireCommand() *cobra.Command {
	yes := false
	c := offline(&cobra.Command{
		Use: "retire TENANT", Short: "Remove everything of a tenant", Args: cobra.ExactArgs(1),
		Long: "Retire removes everything that a tenant has: its data stores with their tables, its sessions with their blocks, its upload\n" +
			"agents and request ids; its upload URIs end. Retire the tenant of a namespace that was deleted before one of the same name\n" +
			"is made, which would find there what the first one left. Where it is stopped in the middle, call it again.",
	}, func(c *cobra.Command, t *folder.Tenants, args []string) error {
		if yes {
			return t.RetireNow(c.Context(), args[0])
		}
		return t.Retire(c.Context(), args[0])
	})
	c.Flags().BoolVar(&yes, "yes", false, "remove it; without the flag the command says what would go and fails")
	return c
}
