package plugin

import (
	"bufio"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/check"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/plaintext"
)

// The schema of Microsoft's EDM upload agent for Windows, as EdmUploadAgent.exe
// /SaveSchema writes it.

type edmSchema struct {
	XMLName xml.Name   `xml:"http://schemas.microsoft.com/office/2018/edm EdmSchema"`
	Stores  []edmStore `xml:"DataStore"`
}

type edmStore struct {
	Name        string     `xml:"name,attr"`
	Description string     `xml:"description,attr,omitempty"`
	Version     string     `xml:"version,attr"`
	Fields      []edmField `xml:"Field"`
}

type edmField struct {
	Name              string `xml:"name,attr"`
	Searchable        bool   `xml:"searchable,attr,omitempty"`
	CaseInsensitive   bool   `xml:"caseInsensitive,attr,omitempty"`
	IgnoredDelimiters string `xml:"ignoredDelimiters,attr,omitempty"`
}

var schemaLong = `Convert between an ExactMatchDataStore and the XML schema of Microsoft's EDM upload agent for Windows
(EdmSchema, as EdmUploadAgent.exe /SaveSchema writes it).` + fmt.Sprintf(exitCodes, "converted", "not used")

const schemaExample = `  kubectl exactmatch schema import edm.xml --agent default | kubectl apply -f -
  kubectl exactmatch schema export --store patients >edm.xml`

func schemaCommand(f *cluster) *cobra.Command {
	c := &cobra.Command{Use: "schema", Short: "Convert from and to the schema of the EDM upload agent for Windows", Long: schemaLong, Example: schemaExample}
	c.AddCommand(importCommand(), exportCommand(f))
	return c
}

func importCommand() *cobra.Command {
	var agent, secret string
	c := &cobra.Command{
		Use: "import FILE", Short: "Print the ExactMatchDataStore of an EdmSchema", Args: cobra.ExactArgs(1),
		Long: `Print the ExactMatchDataStore that an EdmSchema describes. Columns keep their names, their order, and
whether they are searchable and compared without letter case. Tokens of this operator and of
Microsoft's agent are different, and so are their salts and keys: only the schema is taken over.` + fmt.Sprintf(exitCodes, "printed", "not used"),
		Example: "  kubectl exactmatch schema import edm.xml --agent default --key-secret patients-key >datastore.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			store, err := readEDM(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			store.Spec.UploadAgentRef.Name, store.Spec.KeySecretRef.Name = agent, secret
			if secret == "" {
				store.Spec.KeySecretRef.Name = store.Name + "-key"
			}
			return printStore(c.OutOrStdout(), store)
		},
	}
	c.Flags().StringVar(&agent, "agent", "default", "name of the ExactMatchUploadAgent")
	c.Flags().StringVar(&secret, "key-secret", "", "name of the Secret with the key; default: the store's name and -key")
	return c
}

func exportCommand(f *cluster) *cobra.Command {
	from := &checkFlags{cluster: f}
	c := &cobra.Command{
		Use: "export", Short: "Print an ExactMatchDataStore as an EdmSchema", Args: cobra.NoArgs,
		Long: `Print a data store, of the cluster or of a file, as an EdmSchema. Delimiters that the schema cannot
name (letters, digits, the comma and the quotation mark) are an error.` + fmt.Sprintf(exitCodes, "printed", "not used"),
		Example: "  kubectl exactmatch schema export --store patients >edm.xml\n  kubectl exactmatch schema export --schema datastore.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return from.export(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&from.store, "store", "", "name of the ExactMatchDataStore in the cluster")
	c.Flags().StringVar(&from.file, "schema", "", "file with an ExactMatchDataStore in YAML or JSON, in place of --store")
	_ = c.RegisterFlagCompletionFunc("store", f.completeStores)
	return c
}

// readEDM reads a schema in UTF-8, or in UTF-16 as PowerShell saves text.
func readEDM(path string) (*v1alpha1.ExactMatchDataStore, error) {
	text, err := textOf(path)
	if err != nil {
		return nil, err
	}
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	var read edmSchema
	if err := decoder.Decode(&read); err != nil {
		return nil, err
	}
	if len(read.Stores) != 1 {
		return nil, fmt.Errorf("the schema has %d DataStore elements; give one with one", len(read.Stores))
	}
	return storeFrom(read.Stores[0])
}

// largestSchema is far beyond 32 fields.
const largestSchema = 1 << 20

// textOf is the text of a small file, as UTF-8.
func textOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	runes, _, err := plaintext.NewReader(bufio.NewReader(file))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for text.Len() <= largestSchema {
		r, _, err := runes.ReadRune()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
		text.WriteRune(r)
	}
	return "", errors.New("larger than 1 MiB: not an EdmSchema")
}

// columnName is what a data store takes as a column's name.
var columnName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// storeFrom is the data store of a schema.
func storeFrom(of edmStore) (*v1alpha1.ExactMatchDataStore, error) {
	name := objectName(of.Name)
	if name == "" || len(of.Fields) == 0 {
		return nil, errors.New("the DataStore needs a name with letters, and at least one Field")
	}
	o := &v1alpha1.ExactMatchDataStore{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ExactMatchDataStore"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	}
	o.Spec.Description = of.Description
	if of.Name != name {
		o.Spec.DisplayName = of.Name
	}
	for _, f := range of.Fields {
		if !columnName.MatchString(f.Name) {
			return nil, fmt.Errorf("the Field %q cannot be the name of a column: a letter, followed by up to 63 letters, digits and underscores", f.Name)
		}
		o.Spec.Columns = append(o.Spec.Columns, v1alpha1.Column{
			Name: f.Name, IsSearchable: new(f.Searchable), IsCaseInsensitive: f.CaseInsensitive, IgnoredDelimiters: delimitersOf(f.IgnoredDelimiters),
		})
	}
	return o, check.Columns(convert.Columns(o))
}

// delimitersOf are the entries of a list with commas.
func delimitersOf(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// notInNames is what the name of an object cannot hold.
var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// objectName is the name of an object for a text: PatientRecords is patientrecords.
func objectName(text string) string {
	return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), "-")
}

// printStore prints a data store as people write it, without a status.
func printStore(out io.Writer, o *v1alpha1.ExactMatchDataStore) error {
	spec := map[string]any{"uploadAgentRef": o.Spec.UploadAgentRef, "keySecretRef": o.Spec.KeySecretRef, "columns": o.Spec.Columns}
	for field, value := range map[string]string{"displayName": o.Spec.DisplayName, "description": o.Spec.Description} {
		if value != "" {
			spec[field] = value
		}
	}
	text, err := yaml.Marshal(map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]any{"name": o.Name}, "spec": spec})
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// export prints a data store as an EdmSchema.
func (f *checkFlags) export(ctx context.Context, out, warnings io.Writer) error {
	store, err := f.schema(ctx)
	if err != nil {
		return err
	}
	schema, err := edmOf(store)
	if err != nil {
		return err
	}
	for _, c := range store.Spec.Columns {
		if c.SourceName != "" && c.SourceName != c.Name {
			_, _ = fmt.Fprintf(warnings, "warning: the header of column %s is %q here; the agent for Windows expects the header %s\n", c.Name, c.SourceName, c.Name)
		}
	}
	text, err := xml.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s%s\n", xml.Header, text)
	return err
}

// edmOf is the schema of a data store.
func edmOf(o *v1alpha1.ExactMatchDataStore) (*edmSchema, error) {
	store := edmStore{Name: cmp.Or(o.Spec.DisplayName, o.Name), Description: o.Spec.Description, Version: "1"}
	for _, c := range o.Spec.Columns {
		for _, d := range c.IgnoredDelimiters {
			if !isEDMDelimiter(d) {
				return nil, fmt.Errorf("column %s: an EdmSchema cannot name the delimiter %q; letters, digits, the comma and the quotation mark are not allowed there", c.Name, d)
			}
		}
		store.Fields = append(store.Fields, edmField{
			Name: c.Name, Searchable: c.Searchable(), CaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: strings.Join(c.IgnoredDelimiters, ","),
		})
	}
	return &edmSchema{Stores: []edmStore{store}}, nil
}

// isEDMDelimiter reports whether the agent for Windows takes a delimiter.
func isEDMDelimiter(text string) bool {
	r, size := utf8.DecodeRuneInString(text)
	return size == len(text) && size > 0 && r != ',' && r != '"' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
