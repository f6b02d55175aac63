// Command chart copies into the chart what stands in the kustomize files of config:
// the CRDs, the rules of roles, the alerts and the admission policy. The chart's
// templates give them names and labels.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const notice = "# Copied from %s by make generate: change it there.\n"

func main() {
	from := flag.String("config", "../../config", "the folder with kustomize's files")
	to := flag.String("out", "../../config/chart/files", "the folder that is written anew")
	flag.Parse()
	if err := write(*from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func write(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return errors.Join(
		writeCRDs(filepath.Join(from, "crd/bases"), filepath.Join(to, "crds")),
		writeRoles(from, filepath.Join(to, "roles.yaml")),
		writeApproval(from, filepath.Join(to, "admission-policy.yaml")),
		writeAlerts(from, "prometheus", filepath.Join(to, "alerts-manager.yaml")),
		writeAlerts(from, "components/service-metrics", filepath.Join(to, "alerts-service.yaml")),
	)
}

// writeCRDs copies each file as it stands: the template adds labels to its text.
func writeCRDs(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no CRD", from)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(to, filepath.Base(file)), text); err != nil {
			return err
		}
	}
	return nil
}

// writeRoles keeps the labels and rules of each role of config/rbac, by its name.
func writeRoles(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "rbac/*.yaml"))
	if err != nil {
		return err
	}
	roles := map[string]role{}
	for _, file := range files {
		if err := addRoles(roles, file); err != nil {
			return err
		}
	}
	return writeYAML(to, "config/rbac", roles)
}

type role struct {
	Labels map[string]string `json:"labels,omitempty"`
	Rules  []any             `json:"rules"`
}

// object is what of a Role, a ClusterRole or any other object is copied.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Rules []any          `json:"rules"`
	Spec  map[string]any `json:"spec"`
}

func addRoles(roles map[string]role, file string) error {
	all, err := objects(file)
	for _, o := range all {
		if strings.HasSuffix(o.Kind, "Role") {
			roles[o.Metadata.Name] = role{Labels: o.Metadata.Labels, Rules: o.Rules}
		}
	}
	return err
}

// writeApproval keeps the policies of the component and the roles that go with them.
func writeApproval(from, to string) error {
	const component = "components/admission-policy"
	files, err := filepath.Glob(filepath.Join(from, component, "*.yaml"))
	if err != nil {
		return err
	}
	policies, roles := map[string]map[string]any{}, map[string]role{}
	for _, file := range files {
		all, err := objects(file)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Kind == "ValidatingAdmissionPolicy" {
				policies[o.Metadata.Name] = o.Spec
			}
		}
		if err := addRoles(roles, file); err != nil {
			return err
		}
	}
	return writeYAML(to, "config/"+component, map[string]any{"policies": policies, "roles": roles})
}

// writeAlerts keeps the groups of every PrometheusRule of a folder.
func writeAlerts(from, folder, to string) error {
	files, err := filepath.Glob(filepath.Join(from, folder, "*.yaml"))
	if err != nil {
		return err
	}
	var groups []any
	for _, file := range files {
		all, err := objects(file)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Kind == "PrometheusRule" {
				some, _ := o.Spec["groups"].([]any)
				groups = append(groups, some...)
			}
		}
	}
	if len(groups) == 0 {
		return fmt.Errorf("%s has no PrometheusRule", folder)
	}
	return writeYAML(to, "config/"+folder, map[string]any{"groups": groups})
}

func objects(file string) ([]object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []object
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)+1)
	for {
		var o object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, o)
	}
}

func writeYAML(to, source string, content any) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return err
	}
	return writeFile(to, append(fmt.Appendf(nil, notice, source), text...))
}

func writeFile(to string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // it is committed
		return err
	}
	return os.WriteFile(to, text, 0o644) //nolint:gosec // it is committed
}
