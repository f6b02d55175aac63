package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/check"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/schema"
)

var checkLong = `Read a table on this machine as a session would, and judge it: rows, bad rows with their
positions, the quality of the searchable columns, and the guards that would hold it.

The schema is that of a data store in the cluster (--store), whose guards and live table are taken
into account, or that of an ExactMatchDataStore in a file (--schema), for which no cluster is
needed. Nothing is sent, no key is needed, and no value of the table is printed.

The flags that say how to read the table have the names and defaults of a session's source.format.
The checksum that is printed is what spec.checksum pins.` + fmt.Sprintf(exitCodes,
	"a session would upload the table",
	"it would be refused, or held by a guard")

const checkExample = `  kubectl exactmatch check patients.csv --store patients
  kubectl exactmatch check patients.csv.gz --schema datastore.yaml --delimiter ';' -o json`

// checkFlags are those of check.
type checkFlags struct {
	*cluster
	table               check.Table
	store, file, output string
}

func checkCommand(of *cluster) *cobra.Command {
	f := &checkFlags{cluster: of}
	c := &cobra.Command{
		Use: "check FILE", Short: "Judge a table on this machine as a session would; nothing is sent", Long: checkLong, Example: checkExample,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.table.File = args[0]
			return f.run(c.Context(), c.OutOrStdout())
		},
	}
	set := c.Flags()
	set.StringVar(&f.store, "store", "", "name of the ExactMatchDataStore in the cluster")
	set.StringVar(&f.file, "schema", "", "file with an ExactMatchDataStore in YAML or JSON, in place of --store")
	f.addTableTo(c)
	outputFlag(c, &f.output)
	_ = c.RegisterFlagCompletionFunc("store", of.completeStores)
	return c
}

// addTableTo adds what a session says of its table as flags.
func (f *checkFlags) addTableTo(c *cobra.Command) {
	set := c.Flags()
	set.StringSliceVar(&f.table.Fields, "fields", nil, "columns to upload, by name; default: all")
	set.StringVar(&f.table.Pin, "checksum", "", "SHA-256 that the stored bytes must have, as in spec.checksum")
	set.IntVar(&f.table.RowsPerBlock, "rows-per-block", 100000, "as spec.rowsPerBlock")
	set.IntVar(&f.table.BadRows.MaxPercent, "max-bad-rows-percent", 0, "as spec.badRows.maxPercent")
	set.Int64Var(&f.table.BadRows.MinSample, "bad-rows-min-sample", 1000, "as spec.badRows.minSample")
	formatFlags(c, &f.table.Format)
}

// formatFlags adds source.format of a session as flags, with its defaults.
func formatFlags(c *cobra.Command, to *schema.Format) {
	set := c.Flags()
	set.StringVar(&to.Delimiter, "delimiter", ",", `one ASCII character between cells, such as ; or "\t"`)
	set.StringVar(&to.Encoding, "encoding", "Auto", "Auto, UTF-8, UTF-16 or Windows-1252")
	set.StringVar(&to.Compression, "compression", "Auto", "Auto, None, Gzip or Zstd")
	set.StringVar(&to.Quoting, "quoting", "Auto", "Auto, RFC4180 or None")
	set.IntVar(&to.MaxLinesPerRecord, "max-lines-per-record", 100, "lines of the longest record")
	set.IntVar(&to.SkipLines, "skip-lines", 0, "lines before the header")
	set.StringVar(&to.ShortRows, "short-rows", "Bad", "rows with too few cells: Bad or Pad")
	for flag, words := range formatWords {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// formatWords are what the API server takes for the fields of source.format that are an
// enumeration, by their flags.
var formatWords = map[string][]string{
	"encoding": {"Auto", "UTF-8", "UTF-16", "Windows-1252"}, "compression": {"Auto", "None", "Gzip", "Zstd"},
	"quoting": {"Auto", "RFC4180", "None"}, "short-rows": {"Bad", "Pad"},
}

func (f *checkFlags) run(ctx context.Context, out io.Writer) error {
	if err := errors.Join(checkOutput(f.output), checkFormat(f.table.Format)); err != nil {
		return err
	}
	store, err := f.schema(ctx)
	if err != nil {
		return err
	}
	f.table.Columns, f.table.Guards = convert.Columns(store), guardsOf(store)
	report, err := check.Run(ctx, f.table)
	if err != nil {
		return err
	}
	if f.output != "" {
		err = encode(out, f.output, report)
	} else {
		err = writeReport(out, report)
	}
	if err == nil && !report.Accepted() {
		return &noError{}
	}
	return err
}

// checkFormat refuses words that a session's schema would refuse.
func checkFormat(f schema.Format) error {
	given := map[string]string{"encoding": f.Encoding, "compression": f.Compression, "quoting": f.Quoting, "short-rows": f.ShortRows}
	for _, flag := range slices.Sorted(maps.Keys(given)) {
		if words := formatWords[flag]; !slices.Contains(words, given[flag]) {
			return fmt.Errorf("--%s must be one of %s", flag, strings.Join(words, ", "))
		}
	}
	return nil
}

// schema is the data store that the table is judged against.
func (f *checkFlags) schema(ctx context.Context) (*v1alpha1.ExactMatchDataStore, error) {
	if (f.store == "") == (f.file == "") {
		return nil, errors.New("give either --store, of the cluster, or --schema, a file")
	}
	if f.file != "" {
		return readStore(f.file)
	}
	kube, namespace, err := f.open()
	if err != nil {
		return nil, err
	}
	o := &v1alpha1.ExactMatchDataStore{}
	return o, explained(kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: f.store}, o))
}

// readStore reads a data store from a file. The defaults of its guards are those of the
// kind's schema.
func readStore(path string) (*v1alpha1.ExactMatchDataStore, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("--schema: %w", err)
	}
	o := &v1alpha1.ExactMatchDataStore{}
	o.Spec.Guards = v1alpha1.Guards{MaxRowDecreasePercent: 50, RequireAllColumns: true, MaxUnfindablePercent: 20}
	if err := yaml.UnmarshalStrict(text, o); err != nil {
		return nil, fmt.Errorf("--schema: %s: %w", path, err)
	}
	if o.Kind != "ExactMatchDataStore" || len(o.Spec.Columns) == 0 {
		return nil, fmt.Errorf("--schema: %s is not an ExactMatchDataStore with columns", path)
	}
	return o, nil
}

// guardsOf are the guards of a data store, with what they compare with.
func guardsOf(o *v1alpha1.ExactMatchDataStore) check.Guards {
	return check.Guards{
		MaxRowDecreasePercent: o.Spec.Guards.MaxRowDecreasePercent, MaxUnfindablePercent: o.Spec.Guards.MaxUnfindablePercent,
		RequireAllColumns: o.Spec.Guards.RequireAllColumns, LiveRows: o.Status.KnownRows(),
	}
}

// writeReport prints what was found out, for a person.
func writeReport(out io.Writer, r *check.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, value any) { fmt.Fprintf(w, "%s:\t%v\n", name, value) }
	line("Table", r.File)
	if r.Refusal != nil {
		line("Verdict", "refused")
		line(r.Refusal.Reason, r.Refusal.Message)
		return w.Flush()
	}
	verdict := "a session would upload it"
	if !r.Accepted() {
		verdict = "held"
	}
	line("Verdict", verdict)
	for _, guard := range r.Held {
		line("Guard", guard)
	}
	line("Rows", fmt.Sprintf("%d in %d blocks", r.Rows, r.Blocks))
	line("Bad rows", r.BadRows)
	for _, sample := range r.BadSamples {
		line("", sample)
	}
	line("Blank lines", r.BlankLines)
	line("Skipped lines", r.SkippedLines)
	line("Checksum", r.Checksum)
	for _, c := range r.Columns {
		line("Column "+c.Name, fmt.Sprintf("%d distinct, %d empty, %d short, %d with the most common value, %d unfindable",
			c.Distinct, c.Empty, c.Short, c.LargestRepetition, c.Unfindable))
		for _, weakness := range c.Weaknesses {
			line("", "weak: "+weakness)
		}
	}
	return w.Flush()
}

// completeStores offers the names of the namespace's data stores.
func (f *cluster) completeStores(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	kube, namespace, err := f.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var list v1alpha1.ExactMatchDataStoreList
	if err := kube.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
