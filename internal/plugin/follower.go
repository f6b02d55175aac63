package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"exactmatch.dev/operator/api/v1alpha1"
)

// follower is what --output and the terminal ask for.
func (f *statusFlags) follower(out io.Writer) follower {
	switch {
	case f.output == "json":
		return &documents{out: out, encode: json.Marshal}
	case f.output == "yaml":
		return &documents{out: out, encode: yamlDocument}
	case isTerminal(out):
		return newBars(out, f.scope())
	}
	return &lines{out: out, of: f.scope(), now: time.Now}
}

// isTerminal reports whether bars can be drawn.
func isTerminal(out io.Writer) bool {
	file, is := out.(*os.File)
	return is && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// lines prints a line for each change.
type lines struct {
	out  io.Writer
	of   scope
	now  func() time.Time
	last map[string]string
}

func (l *lines) show(s Summary) {
	if l.last == nil {
		l.last = map[string]string{}
	}
	text := described(s, l.of)
	if l.last[s.key()] == text {
		return
	}
	l.last[s.key()] = text
	_, _ = fmt.Fprintf(l.out, "%s %s\n", l.now().UTC().Format(time.TimeOnly), text)
}

func (l *lines) gone(s Summary) {
	_, _ = fmt.Fprintf(l.out, "%s %s was deleted\n", l.now().UTC().Format(time.TimeOnly), named(s, l.of))
}

func (l *lines) end() {}

// described is a session in a line.
func described(s Summary, of scope) string {
	text := named(s, of) + ": " + s.Status
	if p := s.upload(); p != "" {
		text += " " + p
	}
	if s.Message != "" && s.Message != s.Status {
		text += ": " + s.Message
	}
	return text
}

func named(s Summary, of scope) string {
	if of == allNamespaces {
		return s.key()
	}
	return s.Name
}

// documents prints each change as a document.
type documents struct {
	out    io.Writer
	encode func(any) ([]byte, error)
}

func yamlDocument(value any) ([]byte, error) {
	text, err := yaml.Marshal(value)
	return append([]byte("---\n"), text...), err
}

func (d *documents) show(s Summary) {
	text, err := d.encode(s)
	if err != nil {
		panic(err) // a Summary is plain values
	}
	_, _ = fmt.Fprintf(d.out, "%s\n", text)
}

func (d *documents) gone(Summary) {}
func (d *documents) end()         {}

// bars draws a bar for each session that is worked on.
type bars struct {
	all *mpb.Progress
	of  scope
	by  map[string]*bar
}

// bar is one session. What it shows is read when it is drawn.
type bar struct {
	*mpb.Bar
	now chan Summary // holds the one to show
}

func newBars(out io.Writer, of scope) *bars {
	return &bars{all: mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithAutoRefresh()), of: of, by: map[string]*bar{}}
}

func (b *bars) show(s Summary) {
	one := b.by[s.key()]
	if one == nil && s.Verdict != Working {
		return
	}
	if one == nil || s.Verdict == Working && (one.Completed() || one.Aborted()) {
		one = b.add(s)
		b.by[s.key()] = one
	} else {
		<-one.now
		one.now <- s
	}
	one.SetCurrent(min(s.percent(), hundred-1))
	switch s.Verdict {
	case Reached:
		one.end(s)
	case Stalled, Suspended:
		one.Abort(false)
	}
}

// end fills the bar of what was uploaded, and leaves another one as it is.
func (b *bar) end(s Summary) {
	switch s.Status {
	case v1alpha1.ReasonUploaded, v1alpha1.ReasonCompleted, v1alpha1.ReasonAlreadyUploaded:
		b.SetCurrent(hundred)
	}
	b.Abort(false) // one that is complete stays so
}

// hundred is a whole bar: what Progress counts to.
const hundred = 100

func (b *bars) add(s Summary) *bar {
	one := &bar{now: make(chan Summary, 1)}
	one.now <- s
	text := func(of func(Summary) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			now := <-one.now
			one.now <- now
			return of(now)
		}, decor.WCSyncSpaceR)
	}
	one.Bar = b.all.AddBar(hundred,
		mpb.PrependDecorators(text(func(s Summary) string { return named(s, b.of) }), text(func(s Summary) string { return s.Status })),
		mpb.AppendDecorators(text(Summary.upload), text(func(s Summary) string { return s.until(time.Now()) })))
	return one
}

func (b *bars) gone(s Summary) {
	if one := b.by[s.key()]; one != nil {
		one.Abort(true)
	}
}

// end leaves what was drawn last.
func (b *bars) end() {
	for _, one := range b.by {
		one.Abort(false) // those that are complete stay so
	}
	b.all.Wait()
}
