package worker_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/executor/worker"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
)

// files makes a worker's folder with a task to read table.csv.
func files(t *testing.T, table string, change ...func(*protocol.Task)) string {
	t.Helper()
	dir := t.TempDir()
	task := protocol.Task{
		Store: "people", Columns: []schema.Column{{Name: "ID", IsSearchable: true}}, RowsPerBlock: 2, Memory: 64 << 20,
		Source: protocol.Source{File: "table.csv"}, BadRows: plan.BadRowsAllowance{MinSample: 1000},
	}
	for _, c := range change {
		c(&task)
	}
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		protocol.TaskDir + "/" + protocol.TaskFile: string(text), protocol.TaskDir + "/" + protocol.URIFile: "https://127.0.0.1:1/upload?sp=rcw&sig=hush",
		protocol.KeyDir + "/" + protocol.KeyFile: "0123456789abcdef0123456789abcdef", protocol.SourceDir + "/table.csv": table,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReportsComeBack(t *testing.T) {
	r := worker.Prepare(t.Context(), files(t, "ID\n1\n2\n3\n"))
	if r.Prepared == "" || r.Problem != nil {
		t.Fatalf("report %+v", r)
	}
	got, ok := protocol.ParseReport(r.Text())
	if !ok || got != r {
		t.Errorf("got %+v, want %+v", got, r)
	}
	for _, text := range []string{"", "{}", "panic: runtime error", `{"prepared":1}`, `{"other":"word"}`} {
		if r, ok := protocol.ParseReport(text); ok {
			t.Errorf("%q is a report: %+v", text, r)
		}
	}
}

func TestProblemsAreTold(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	prepare := func(dir string) protocol.Report { return worker.Prepare(t.Context(), dir) }
	stage := func(dir string) protocol.Report { return worker.Stage(t.Context(), dir, 0, log) }
	packed := worker.Prepare(t.Context(), files(t, "ID\n1\n2\n3\n")).Prepared
	for name, c := range map[string]struct {
		do     func(string) protocol.Report
		dir    string
		reason failure.Reason
		passes bool
	}{
		"a column is missing":     {prepare, files(t, "Name\nhush\n"), failure.MissingColumn, false},
		"no such file":            {prepare, files(t, "", func(o *protocol.Task) { o.Source.File = "other.csv" }), failure.SourceNotFound, false},
		"out of the volume":       {prepare, files(t, "", func(o *protocol.Task) { o.Source.File = "../key/key" }), failure.PathOutsideRoot, false},
		"no order":                {prepare, t.TempDir(), failure.SourceUnavailable, true},
		"the task to read":        {stage, files(t, "ID\n1\n"), failure.SourceUnavailable, true},
		"another pod":             {stage, files(t, "ID\n1\n2\n3\n", func(o *protocol.Task) { o.Prepared, o.Pods = packed, 0 }), failure.SourceInvalid, false},
		"an address not allowed":  {stage, files(t, "ID\n1\n2\n3\n", func(o *protocol.Task) { o.Prepared, o.Pods = packed, 1 }), failure.NotPermitted, true},
		"a scheme not allowed":    {prepare, files(t, "", func(o *protocol.Task) { o.Source = protocol.Source{URI: "s3://hush/key"} }), failure.SchemeNotAllowed, false},
		"a URI that is not there": {prepare, files(t, "", func(o *protocol.Task) { o.Source = protocol.Source{} }), failure.SourceUnavailable, true},
	} {
		r := c.do(c.dir)
		if r.Problem == nil || r.Problem.Reason != c.reason || r.Problem.Transient != c.passes {
			t.Errorf("%s: %s", name, r.Text())
			continue
		}
		if text := r.Text(); len(text) > 4096 || strings.Contains(text, "sig=") || strings.Contains(text, "0123456789abcdef") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestNamesOfURIsRevealNothing(t *testing.T) {
	const uri = "https://host/upload?sig=hush"
	if name := protocol.NameURI(uri); len(name) != 8 || strings.Contains(uri, name) || name == protocol.NameURI(uri+"2") {
		t.Errorf("name %q", name)
	}
}

// The ConfigMap may have changed since the manager read it.
func TestAnAuthorityWithoutACertificateIsTold(t *testing.T) {
	const table = "ID\n1\n2\n3\n"
	prepared := worker.Prepare(t.Context(), files(t, table)).Prepared
	dir := files(t, table, func(o *protocol.Task) { o.Prepared, o.Pods, o.Parallelism = prepared, 1, 1 })
	path := filepath.Join(dir, protocol.AuthorityDir, protocol.AuthorityFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := worker.Stage(t.Context(), dir, 0, slog.New(slog.DiscardHandler)).Problem
	if p == nil || !p.Transient || !strings.Contains(p.Message, "authority/ca.crt") || !strings.Contains(p.Message, "spec.caBundleConfigMapRef") {
		t.Errorf("it reports %+v", p)
	}
}
