package worker_test

import (
	"context"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/executor/worker"
)

// A termination message takes 4 KiB: what is longer would be cut and no report.
func TestAReportFitsIntoItsMessage(t *testing.T) {
	long := func(o *protocol.Task) { o.Source.File = strings.Repeat("folder/", 1000) + "t.csv" }
	text := worker.Prepare(t.Context(), files(t, "", long)).Text()
	if r, ok := protocol.ParseReport(text); !ok || r.Problem == nil || len(text) > 4096 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

// A worker that is asked to stop has found no fault.
func TestAWorkerThatStopsReportsNothing(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if r := worker.Prepare(ctx, files(t, "ID\n1\n")); r != (protocol.Report{}) {
		t.Errorf("it reports %s", r.Text())
	}
}

// Of a report with words that nobody knows, nothing is believed.
func TestAReportWithMoreInItIsNone(t *testing.T) {
	if r, ok := protocol.ParseReport(`{"prepared":"AAA","other":"word"}`); ok {
		t.Errorf("it is read as %s", r.Text())
	}
}
