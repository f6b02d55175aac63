package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// mib is memory for a table; nothing where the process was not needed.
func mib(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20)
}

// line tells of a result while the run goes on.
func (r result) line() string {
	text := fmt.Sprintf("%-34s %6.1f s  manager's side %8s  service %8s  %s", r.Case.Name, r.Took.Seconds(), mib(r.Manager), mib(r.Service), r.outcome())
	if r.Fault != "" {
		text += "\n  DOES NOT HOLD: " + strings.ReplaceAll(r.Fault, "\n", "\n  ")
	}
	return text
}

// outcome is the refusal, or what was taken.
func (r result) outcome() string {
	switch {
	case r.Refusal != "":
		return strings.Join(strings.Fields(messageOf(r.Refusal)), " ")
	case r.Case.Upload:
		return fmt.Sprintf("taken: %d rows, %d bytes, live", r.Rows, r.Bytes)
	default:
		return "taken"
	}
}

// messageOf is the message within an answer of the service, or the whole text.
func messageOf(text string) string {
	for _, around := range [][2]string{{`"message":"`, `"`}, {"<Message>", "</Message>"}} {
		if _, rest, found := strings.Cut(text, around[0]); found {
			message, _, _ := strings.Cut(rest, around[1])
			return message
		}
	}
	return text
}

// writeReport writes the results for people.
func writeReport(o options, results []result) error {
	var b strings.Builder
	b.WriteString("# What is too large\n\nWritten by `make limits`; every line is a run of its own processes. Memory is the peak of the resident size. ")
	fmt.Fprintf(&b, "The limits:\n%d MiB for the process that reads, hashes and uploads under the manager's default `--transfer-memory`,\n", managerLimit>>20)
	fmt.Fprintf(&b, "%d MiB for the service under its default `--upload-memory`.\n\n", serviceLimit>>20)
	fmt.Fprintf(&b, "%s, %d cores, %s, %s", processor(), runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	if o.quick {
		b.WriteString(", **with `-quick`**")
	}
	b.WriteString(".\n\n| what | cap | reading, hashing, uploading | service | seconds | what comes of it |\n|---|---|---:|---:|---:|---|\n")
	for _, r := range results {
		holds := r.outcome()
		if r.Fault != "" {
			holds = "**does not hold**: " + strings.Join(strings.Fields(r.Fault), " ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.1f | %s |\n", r.Case.Name, r.Case.Cap, mib(r.Manager), mib(r.Service), r.Took.Seconds(), strings.ReplaceAll(holds, "|", "\\|"))
	}
	return os.WriteFile(o.docs, []byte(b.String()), 0o644) //nolint:gosec // a document
}
