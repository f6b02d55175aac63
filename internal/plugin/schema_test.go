package plugin

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
)

// The schema of a table of patients, as the agent for Windows has it.
const edmText = `<?xml version="1.0" encoding="utf-8"?>
<EdmSchema xmlns="http://schemas.microsoft.com/office/2018/edm">
  <DataStore name="PatientRecords" description="Schema for patients" version="1">
    <Field name="PatientID" searchable="true" caseInsensitive="true" ignoredDelimiters="-,/,*,#,^" />
    <Field name="SSN" searchable="true" />
    <Field name="LastName" />
  </DataStore>
</EdmSchema>
`

// do runs the plugin's command line without a cluster.
func do(t *testing.T, args ...string) (out, warnings string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := Root()
	c.SetArgs(args)
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err = c.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// saved is a file with this content.
func saved(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// asUTF16 is a text as PowerShell saves it.
func asUTF16(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}

// TestAnImportedSchemaIsADataStore has the API server take what import prints, and
// export make the schema of it again.
func TestAnImportedSchemaIsADataStore(t *testing.T) {
	p := newPlace(t)
	for name, content := range map[string][]byte{
		"utf-8": []byte(edmText), "with a mark": []byte("\ufeff" + edmText),
		"utf-16": asUTF16(strings.Replace(edmText, "utf-8", "utf-16", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := do(t, "schema", "import", saved(t, "edm.xml", content), "--key-secret", "patients-key")
			must(t, err)
			path := saved(t, "store.yaml", []byte(out))
			o, err := readStore(path)
			must(t, err)
			o.Namespace = p.namespace
			must(t, p.kube.Create(t.Context(), o, client.DryRunAll))
			if o.Spec.DisplayName != "PatientRecords" || o.Name != "patientrecords" || o.Spec.KeySecretRef.Name != "patients-key" {
				t.Errorf("the data store is %+v", o)
			}
			c := o.Spec.Columns
			if len(c) != 3 || !c[0].Searchable() || !c[0].IsCaseInsensitive || strings.Join(c[0].IgnoredDelimiters, "") != "-/*#^" || c[2].Searchable() {
				t.Errorf("the columns are %+v", c)
			}
			again, _, err := do(t, "schema", "export", "--schema", path)
			must(t, err)
			back, err := readEDM(saved(t, "again.xml", []byte(again)))
			must(t, err)
			if len(back.Spec.Columns) != 3 || strings.Join(back.Spec.Columns[0].IgnoredDelimiters, "") != "-/*#^" || back.Spec.DisplayName != "PatientRecords" {
				t.Errorf("exported and imported again: %+v\n%s", back.Spec, again)
			}
		})
	}
}

func TestSchemasThatCannotBeConverted(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, words string }{
		"another namespace":  {"office/2018/edm", "office/2019/edm", "expected element"},
		"another element":    {"EdmSchema", "RulePackage", "RulePackage"},
		"no field":           {"<Field ", "<Other ", "at least one Field"},
		"a name with spaces": {`"SSN"`, `"Social Security"`, `"Social Security" cannot be the name of a column`},
		"a delimiter":        {`"-,/,*,#,^"`, "\"\u00a0\"", "PatientID"},
		"not XML":            {"<DataStore", "DataStore", "syntax"},
		"not text":           {"patients", "pat\xffients", "not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(edmText, tc.old, tc.new)
			out, _, err := do(t, "schema", "import", saved(t, "edm.xml", []byte(text)))
			if ExitCode(err) != exitError || !strings.Contains(err.Error(), tc.words) || out != "" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestWhatAnEdmSchemaCannotSay is an error or a warning, and not lost in silence.
func TestWhatAnEdmSchemaCannotSay(t *testing.T) {
	comma := strings.Replace(storeText, `["-"]`, `[","]`, 1)
	if out, _, err := do(t, "schema", "export", "--schema", saved(t, "s.yaml", []byte(comma))); err == nil || out != "" {
		t.Errorf("a comma as a delimiter: %s", out)
	}
	renamed := strings.Replace(storeText, "name: Name,", "name: Name, sourceName: Full Name,", 1)
	_, warned, err := do(t, "schema", "export", "--schema", saved(t, "s.yaml", []byte(renamed)))
	if err != nil || !strings.Contains(warned, `"Full Name"`) {
		t.Errorf("%v: %s", err, warned)
	}
}

// TestEveryColumnOfAStoreIsExported takes the data store from the cluster.
func TestEveryColumnOfAStoreIsExported(t *testing.T) {
	p := newPlace(t)
	o := p.put("testdata/held-rows.yaml")
	out, _, err := p.run("schema", "export", "--store", o.Spec.DataStoreRef.Name)
	must(t, err)
	store := &v1alpha1.ExactMatchDataStore{}
	must(t, p.kube.Get(t.Context(), client.ObjectKey{Namespace: p.namespace, Name: o.Spec.DataStoreRef.Name}, store))
	for _, c := range store.Spec.Columns {
		if !strings.Contains(out, `name="`+c.Name+`"`) {
			t.Errorf("%s is not in\n%s", c.Name, out)
		}
	}
}
