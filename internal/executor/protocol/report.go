package protocol

import (
	"encoding/json"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/progress"
)

// Report is a worker's last word: its pod's termination message, in JSON. One of
// Prepared, Staged and Problem is set; none where the worker was asked to stop.
type Report struct {
	// Prepared is a packed reading.
	Prepared string `json:"prepared,omitempty"`
	// Staged counts the blocks of a pod.
	Staged *Staged `json:"staged,omitempty"`
	// Problem is why it failed.
	Problem *Problem `json:"problem,omitempty"`
	// Checked is of the blocks that this worker has sent, also where it failed then.
	Checked *progress.Checked `json:"checked,omitempty"`
}

// Staged counts the blocks of a pod: Sent by this worker, or Skipped because
// they were there.
type Staged struct {
	Sent    int `json:"sent"`
	Skipped int `json:"skipped"`
}

// Problem is a failure.Error on its way to the manager. RefusedURI names the
// upload URI (NameURI) that the storage took no more.
type Problem struct {
	Reason            failure.Reason `json:"reason"`
	Message           string         `json:"message"`
	Transient         bool           `json:"transient,omitempty"`
	RetryAfterSeconds int            `json:"retryAfterSeconds,omitempty"`
	RefusedURI        string         `json:"refusedURI,omitempty"`
}

// maxMessage bounds a problem's words, so that a report fits into 4 KiB.
const maxMessage = 1024

// Text is the report as a termination message.
func (r Report) Text() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers marshal
	}
	return string(text)
}

// ParseReport reads a termination message; false where it is no report.
func ParseReport(text string) (Report, bool) {
	r := Report{}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&r) != nil || r == (Report{}) {
		return Report{}, false
	}
	return r, true
}

// NewProblem is an error on its way to the manager. Its message is cut where it is
// longer than a report has room for.
func NewProblem(e *failure.Error) *Problem {
	return &Problem{
		Reason: e.Reason, Message: strings.ToValidUTF8(e.Message[:min(len(e.Message), maxMessage)], ""),
		Transient: e.Transient, RetryAfterSeconds: int(e.RetryAfter / time.Second),
	}
}

// AsError is the problem as the error that it was.
func (p *Problem) AsError() *failure.Error {
	return &failure.Error{Reason: p.Reason, Message: p.Message, Transient: p.Transient, RetryAfter: time.Duration(p.RetryAfterSeconds) * time.Second}
}
