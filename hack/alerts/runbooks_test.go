package alerts

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const runbooks = "config/prometheus/RUNBOOKS.md"

// schema is that of a field in a CRD.
type schema struct {
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

// has reports whether a path of fields, without its indexes, leads to one.
func (s *schema) has(path []string) bool {
	for s != nil && s.Items != nil {
		s = s.Items
	}
	if s == nil || len(path) == 0 {
		return s != nil
	}
	return s.Properties[path[0]].has(path[1:])
}

// kinds are the schemas of our kinds, by their singular and plural names.
func kinds(t *testing.T) map[string]*schema {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("there are %d CRDs: %v", len(files), err)
	}
	all := map[string]*schema{}
	for _, file := range files {
		var crd struct {
			Spec struct {
				Names    struct{ Singular, Plural string }
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema *schema `json:"openAPIV3Schema"`
					}
				}
			}
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(read(t, rel), &crd); err != nil {
			t.Fatal(err)
		}
		of := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		all[crd.Spec.Names.Singular], all[crd.Spec.Names.Plural] = of, of
	}
	return all
}

var (
	resource   = regexp.MustCompile(`kubectl (?:-n \S+ )?(?:get|describe|patch) (exactmatch\w+)`)
	fieldPath  = regexp.MustCompile(`\.(?:status|spec)(?:\.[A-Za-z]+|\[[^\]]*\])+`)
	elementOf  = regexp.MustCompile(`\{range (\.[A-Za-z.]+)\[\*\]\}(.*?)\{end\}`)
	inElement  = regexp.MustCompile(`\{(\.[A-Za-z.]+)\}`)
	indexes    = regexp.MustCompile(`\[[^\]]*\]`)
	patched    = regexp.MustCompile(`"spec":\{"(\w+)":`)
	flagInText = regexp.MustCompile("`(--[a-z-]+)")
	linkInPage = regexp.MustCompile(`\]\(([^)]*)\)`)
)

// TestCommandsOfRunbooksNameFields: a command that asks for a field that is not there prints
// nothing, at three in the morning.
func TestCommandsOfRunbooksNameFields(t *testing.T) {
	known, found := kinds(t), 0
	for line := range strings.Lines(string(read(t, runbooks))) {
		m := resource.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		of := known[m[1]]
		if of == nil {
			t.Errorf("there is no kind %s: %s", m[1], line)
			continue
		}
		paths := fieldPath.FindAllString(line, -1)
		for _, p := range patched.FindAllStringSubmatch(line, -1) {
			paths = append(paths, ".spec."+p[1])
		}
		for _, loop := range elementOf.FindAllStringSubmatch(line, -1) {
			for _, p := range inElement.FindAllStringSubmatch(loop[2], -1) {
				paths = append(paths, loop[1]+p[1])
			}
		}
		for _, path := range paths {
			found++
			if !of.has(strings.Split(strings.Trim(indexes.ReplaceAllString(path, ""), "."), ".")) {
				t.Errorf("%s has no field %s: %s", m[1], path, line)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d fields were found", found)
	}
}

// TestRunbooksAreOfAlerts: no section is of an alert that is gone, all have what somebody
// looks for, flags exist, and links lead somewhere.
func TestRunbooksAreOfAlerts(t *testing.T) {
	text, there := string(read(t, runbooks)), map[string]bool{}
	for _, file := range ruleFiles {
		for _, a := range alertsOf(t, file) {
			there[a.Alert] = true
		}
	}
	for section := range strings.SplitSeq(text, "\n## ") {
		name, body, _ := strings.Cut(section, "\n")
		if strings.HasPrefix(name, "# ") {
			continue
		}
		if !there[name] {
			t.Errorf("%q is a section of no alert", name)
		}
		for _, part := range []string{"**Meaning**: ", "**Impact**: ", "**Diagnosis**\n\n```sh\nkubectl ", "**Mitigation**: "} {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %q", name, part)
			}
		}
	}
	programs := string(read(t, "internal/edm/API.md")) + string(read(t, "internal/manager/manager.go")) + string(read(t, "internal/service/command.go"))
	for _, m := range flagInText.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(programs, m[1]) && !strings.Contains(programs, `"`+strings.TrimPrefix(m[1], "--")+`"`) {
			t.Errorf("there is no flag %s", m[1])
		}
	}
	for _, m := range linkInPage.FindAllStringSubmatch(text, -1) {
		page, anchor, _ := strings.Cut(m[1], "#")
		if page != "" {
			page = string(read(t, filepath.Join(filepath.Dir(runbooks), page)))
		} else {
			page = text
		}
		if !regexp.MustCompile(`(?mi)^#+ ` + strings.ReplaceAll(regexp.QuoteMeta(anchor), "-", `[ -]`) + `$`).MatchString(page) {
			t.Errorf("the link %s leads to no heading", m[1])
		}
	}
}
