package main

import (
	"fmt"
	"os"
	"strings"

	"exactmatch.dev/operator/hack/measure"
)

// run is everything that one run found out; it is what the JSON holds.
type run struct {
	measure.Run
	Quick   bool     `json:"quick"`
	Results []result `json:"results"`
}

// add keeps a result, and what it took as a sample.
func (r *run) add(one result) {
	r.Results = append(r.Results, one)
	r.Samples = append(r.Samples, measure.Sample{
		Case: one.Case.Name, Wall: one.Took, Rows: int(one.Rows), Bytes: one.Bytes, PeakMemory: one.Manager,
		Parts: map[string]float64{measure.PartServiceMemory: float64(one.Service)}, Text: one.outcome(),
	})
}

// mib is memory for a table; nothing where the process was not needed.
func mib(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return measure.MiB(bytes)
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

// report writes what was found, and fails where something does not hold.
func (r *run) report(o options) error {
	if err := measure.WriteResults(o.out, r); err != nil {
		return err
	}
	if o.docs != "" {
		if err := os.WriteFile(o.docs, []byte(r.markdown()), 0o644); err != nil { //nolint:gosec // a document
			return err
		}
	}
	failed := 0
	for _, one := range r.Results {
		if one.Fault != "" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cases do not hold", failed, len(r.Results))
	}
	return nil
}

// markdown writes the results for people.
func (r *run) markdown() string {
	d := &measure.Document{}
	d.Line("# What is too large\n\nWritten by `make limits`; every line is a run of its own processes. Memory is the peak of the resident size. The limits:")
	d.Line("%d MiB for the process that reads, hashes and uploads under the manager's default `--transfer-memory`,", managerLimit>>20)
	d.Line("%d MiB for the service under its default `--upload-memory`.\n", serviceLimit>>20)
	how := ""
	if r.Quick {
		how = ", **with `-quick`**"
	}
	d.Line("%s%s.\n", r.Machine, how)
	d.Head("what", "cap", "reading, hashing, uploading:", "service:", "seconds:", "what comes of it")
	for _, one := range r.Results {
		holds := one.outcome()
		if one.Fault != "" {
			holds = "**" + measure.DoesNotHold + "**: " + strings.Join(strings.Fields(one.Fault), " ")
		}
		d.Row(one.Case.Name, one.Case.Cap, mib(one.Manager), mib(one.Service), fmt.Sprintf("%.1f", one.Took.Seconds()), strings.ReplaceAll(holds, "|", "\\|"))
	}
	return d.String()
}
