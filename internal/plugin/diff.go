package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/convert"
	"exactmatch.dev/operator/internal/edm"
)

var diffLong = `Show what a session would change beside the live table of its data store.

It compares what the operator has read and what the service shows live: rows, columns with their
rules, key and content. Neither the service nor the operator keeps cells, so which rows differ is
not known; what is not known yet says so.` + fmt.Sprintf(exitCodes,
	"the session's content is what is live",
	"it differs, or nothing is live")

const diffExample = `  kubectl exactmatch diff patients
  kubectl exactmatch diff patients -o json`

func diffCommand(f *cluster) *cobra.Command {
	return inquiry(f, cobra.Command{
		Use: "diff NAME", Short: "Show what a session would change beside the live table", Long: diffLong, Example: diffExample,
	}, diffOf)
}

// diffOf compares a session with the live table of its data store.
func diffOf(ctx context.Context, kube client.Client, namespace, name string) (finding, error) {
	o, err := session(ctx, kube, namespace, name)
	if err != nil {
		return nil, err
	}
	store := &v1alpha1.ExactMatchDataStore{}
	switch err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: o.Spec.DataStoreRef.Name}, store); {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("ExactMatchDataStore %q of the session does not exist, so there is no live table to compare with", o.Spec.DataStoreRef.Name)
	case err != nil:
		return nil, explained(err)
	}
	return compare(o, store), nil
}

// Diff is what a session would change.
type Diff struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	DataStore string `json:"dataStore"`
	Source    string `json:"source"`
	// Same says whether the session's content is what is live, Known whether the
	// operator has read it.
	Same  bool   `json:"same"`
	Known bool   `json:"known"`
	Lines []Line `json:"lines"`
	// Unknown is what cannot be compared, and why.
	Unknown []string `json:"unknown,omitempty"`
}

// Line is a property of a table: as it is live, and as the session would publish it.
type Line struct {
	What    string `json:"what"`
	Live    string `json:"live"`
	Session string `json:"session"`
	Note    string `json:"note,omitempty"`
}

const (
	none    = "-"
	unknown = "unknown"
)

// compare compares a session with what its data store shows live.
func compare(o *v1alpha1.ExactMatchSession, store *v1alpha1.ExactMatchDataStore) *Diff {
	d := &Diff{Namespace: o.Namespace, Name: o.Name, DataStore: store.Name, Source: sourceText(o.Spec.Source)}
	live, status := store.Status.Live, &o.Status
	if live == nil {
		live = &v1alpha1.LiveTable{}
		d.unknown("which table is live: %s", liveless(store))
	}
	d.Known = status.ContentKey != ""
	d.Same = d.Known && live.ContentKey == status.ContentKey && live.KeyID == status.KeyID
	d.add("published by", text(publisher(live)), "session "+o.Name, "")
	d.addRows(live, status)
	d.add("content key", text(live.ContentKey), text(status.ContentKey),
		ifDiffers(live.ContentKey, status.ContentKey, "cells, fields with their rules, rowsPerBlock or key differ"))
	d.add("key", text(live.KeyID), text(status.KeyID), ifDiffers(live.KeyID, status.KeyID, "another key makes every token new"))
	d.addColumns(live, o, store)
	if !d.Known {
		d.unknown("rows and content of the session: its source was not read yet")
	}
	d.unknown("which rows differ: neither the service nor the operator keeps cells")
	return d
}

// publisher names the session that published the live table, "" where the store does not know it.
func publisher(live *v1alpha1.LiveTable) string {
	switch {
	case live.SessionName != "":
		return "session " + live.SessionName
	case live.RemoteID != "":
		return "remote session " + live.RemoteID
	}
	return ""
}

// liveless says why no table is known to be live.
func liveless(store *v1alpha1.ExactMatchDataStore) string {
	for _, c := range store.Status.Conditions {
		if c.Type == v1alpha1.ConditionLive {
			return c.Reason + ": " + c.Message
		}
	}
	return "the operator has not looked yet"
}

func (d *Diff) unknown(format string, args ...any) {
	d.Unknown = append(d.Unknown, fmt.Sprintf(format, args...))
}

func (d *Diff) add(what, live, session, note string) {
	d.Lines = append(d.Lines, Line{What: what, Live: live, Session: session, Note: note})
}

// addRows compares the numbers of rows.
func (d *Diff) addRows(live *v1alpha1.LiveTable, status *v1alpha1.ExactMatchSessionStatus) {
	before := none
	if live.RemoteID != "" {
		before = fmt.Sprint(live.Rows)
	}
	note := ""
	if status.Rows != nil && live.RemoteID != "" {
		note = growth(live.Rows, *status.Rows)
	}
	d.add("rows", before, number(status.Rows), note)
	if bad := status.BadRows; bad != nil && bad.Count > 0 {
		d.add("bad rows left out", none, fmt.Sprint(bad.Count), strings.Join(bad.Samples, "; "))
	}
}

// growth is the difference with its share.
func growth(before, after int64) string {
	if before == after {
		return "the same number"
	}
	if before == 0 {
		return fmt.Sprintf("%+d", after)
	}
	return fmt.Sprintf("%+d (%+.1f %%)", after-before, 100*float64(after-before)/float64(before))
}

// addColumns compares the columns with their rules.
func (d *Diff) addColumns(live *v1alpha1.LiveTable, o *v1alpha1.ExactMatchSession, store *v1alpha1.ExactMatchDataStore) {
	before, after := map[string]string{}, rulesOf(o, store)
	var order []string
	for _, c := range live.Columns {
		before[c.Name] = columnText(c.RulesID, searchWords[c.IsSearchable])
		order = append(order, c.Name)
	}
	for _, c := range after {
		if before[c.name] == "" {
			order = append(order, c.name)
		}
	}
	for _, name := range order {
		now := none
		if at := slices.IndexFunc(after, func(c column) bool { return c.name == name }); at >= 0 {
			now = columnText(after[at].rules, after[at].search)
		}
		d.add("column "+name, text(before[name]), now, columnNote(before[name], now, live.RemoteID))
	}
}

// columnNote says what a difference of a column means.
func columnNote(before, after, remoteID string) string {
	if remoteID == "" || before == after {
		return ""
	}
	if before == "" {
		return "is added"
	}
	if after == none {
		return "is removed: lookups of it are refused"
	}
	return "changes"
}

// column is a column as the session would publish it.
type column struct{ name, rules, search string }

// rulesOf are the columns of a session: under the rules that its tokens were made
// under, or else under those of the store.
func rulesOf(o *v1alpha1.ExactMatchSession, store *v1alpha1.ExactMatchDataStore) (out []column) {
	made := map[string]string{}
	if intent := o.Status.Intent; intent != nil {
		for _, r := range intent.Rules {
			made[r.Name] = r.RulesID
		}
	}
	for _, c := range convert.RemoteColumns(store) {
		rules, was := made[c.Name]
		switch selected := len(o.Spec.Fields) == 0 || slices.Contains(o.Spec.Fields, c.Name); {
		case len(made) > 0 && !was, !selected:
			continue
		case !was:
			rules = edm.RulesOf(c)
		}
		out = append(out, column{c.Name, rules, searchWords[c.IsSearchable]})
	}
	return out
}

func columnText(rules, search string) string { return text(rules) + ", " + search }

var searchWords = map[bool]string{true: "searchable", false: "not searchable"}

// text has a dash for what is not there.
func text(s string) string {
	if s == "" {
		return none
	}
	return s
}

// ifDiffers is a note where two known texts differ.
func ifDiffers(a, b, note string) string {
	if a == "" || b == "" || a == b {
		return ""
	}
	return note
}

// sourceText names the source without its signature: only spec has it.
func sourceText(from v1alpha1.Source) string {
	switch {
	case from.URISecretRef != nil:
		return "the URI in Secret " + from.URISecretRef.Name
	case from.ConfigMapKeyRef != nil:
		return "key " + from.ConfigMapKeyRef.Key + " of ConfigMap " + from.ConfigMapKeyRef.Name
	case from.PersistentVolumeClaim != nil:
		return from.PersistentVolumeClaim.Path + " of PersistentVolumeClaim " + from.PersistentVolumeClaim.ClaimName
	}
	return from.URI
}

// print prints the differences, which are also the exit code.
func (d *Diff) print(out io.Writer, output string) error {
	if err := d.write(out, output); err != nil {
		return err
	}
	if d.Same {
		return nil
	}
	return &noError{}
}

func (d *Diff) write(out io.Writer, output string) error {
	if output != "" {
		return encode(out, output, d)
	}
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)

	fmt.Fprintf(w, "\tLIVE IN %s\tSESSION %s\t\n", d.DataStore, d.Name)
	for _, line := range d.Lines {
		mark := " "
		if line.Live != line.Session {
			mark = "~"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", mark, line.What, short(line.Live), short(line.Session), line.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\n%s The source is %s.\n", d.verdict(), d.Source)
	for _, one := range d.Unknown {
		_, err = fmt.Fprintf(out, "Not known: %s.\n", one)
	}
	return err
}

// verdict is the answer in a sentence.
func (d *Diff) verdict() string {
	switch {
	case d.Same:
		return "The content is what is live already: nothing would be uploaded."
	case !d.Known:
		return "The session's content is not known yet."
	}
	return "The content differs from what is live."
}

// short keeps the first digits of a sum: enough to see that two differ.
func short(s string) string {
	at := strings.LastIndex(s, "sha256:")
	if at < 0 {
		return s
	}
	if from := at + len("sha256:"); len(s) > from+12 {
		return s[:from+12] + "…"
	}
	return s
}
