package plugin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"
)

// scope says of which namespaces the sessions are.
type scope int

const (
	oneNamespace scope = iota
	allNamespaces
)

// table prints sessions as kubectl get would, with what is expected of each.
func table(out io.Writer, found []Summary, now time.Time, of scope) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	head := "NAME\tSTORE\tSTATUS\tPROGRESS\tROWS\tLIVE\tAGE\tEXPECTED"
	if of == allNamespaces {
		head = "NAMESPACE\t" + head
	}
	fmt.Fprintln(w, head)
	for _, s := range found {
		cells := []string{
			s.Name, s.DataStore, s.Status, cmp.Or(s.Progress, "-"), number(s.Rows), s.live(),
			duration.HumanDuration(now.Sub(s.Created.Time)), cmp.Or(s.until(now), s.hint(), "-"),
		}
		if of == allNamespaces {
			cells = append([]string{s.Namespace}, cells...)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// live is the condition Live in a word or two.
func (s Summary) live() string {
	switch s.Live {
	case "":
		return "-"
	case "True":
		return "True"
	}
	return s.Live + " (" + s.LiveWhy + ")"
}

// hint names the command that says more.
func (s Summary) hint() string {
	if s.Verdict == Stalled {
		return "somebody must act: kubectl exactmatch why " + s.Name
	}
	return ""
}

// encode prints a value as JSON or YAML.
func encode(out io.Writer, form string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	if form == "yaml" {
		if text, err = yaml.JSONToYAML(text); err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", text)
	return err
}
