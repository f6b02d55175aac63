package service_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// stateMachine is a service and the model of it.
type stateMachine struct {
	*rapid.T
	*process
	stores []*modelStore
	rival  rival
}

// tally counts over all checks.
var tally struct{ rival, calls, reads, kills, moment, held, indexing, unanswered, refused, judged int }

// op is one call. send touches nothing of the model: it may run beside others,
// and while the service is killed. take judges an answer, settle finds out what
// a call did that nobody answered.
type op struct {
	name   string
	store  *modelStore
	target *modelSession
	send   func() reply
	take   func(reply)
	settle func()
}

func (w *stateMachine) want(what string, r reply, status int, code string) {
	w.Helper()
	if r.err != nil || r.status != status || r.code != code {
		w.Fatalf("%s: %d %q %s (%v); want %d %q", what, r.status, r.code, r.body, r.err, status, code)
	}
}

// read gets what must be answered: nothing is killed meanwhile.
func (w *stateMachine) read(path string, into any) {
	w.Helper()
	tally.reads++
	r := w.api(http.MethodGet, path, "", nil)
	w.want("GET "+path, r, http.StatusOK, "")
	if err := json.Unmarshal(r.body, into); err != nil {
		w.Fatal(err)
	}
}

func sessionsPath(s *modelStore, rest ...string) string {
	return "/" + s.id + "/sessions" + strings.Join(append([]string{""}, rest...), "/")
}

func (w *stateMachine) restart() {
	w.Helper()
	if err := w.kill(); err != nil {
		w.Fatal(err)
	}
	tally.kills++
	if err := w.start(); err != nil {
		w.Fatal(err)
	}
}

// do makes a call while nothing is killed.
func (w *stateMachine) do(o *op) {
	w.Helper()
	tally.calls++
	r := o.send()
	if r.err != nil {
		w.Fatalf("%s is not answered: %v\n%s", o.name, r.err, w.log.String())
	}
	o.take(r)
}

// killDuring makes calls at once, kills the service after a while, and looks.
func (w *stateMachine) killDuring(ops []*op, after time.Duration) {
	w.Helper()
	replies := make([]chan reply, len(ops))
	for i, o := range ops {
		replies[i] = make(chan reply, 1)
		go func() { replies[i] <- o.send() }()
	}
	tally.calls += len(ops)
	timer := time.NewTimer(after)
	defer timer.Stop()
	<-timer.C
	w.restart()
	tally.moment++
	for i, o := range ops {
		r := <-replies[i]
		if r.err == nil {
			o.take(r)
			continue
		}
		tally.unanswered++
		o.settle()
	}
	w.everything()
}

// killHeld makes a call that the service holds before or after it takes it, and
// kills it then: whatever the machine's speed, nobody has the answer.
func (w *stateMachine) killHeld(o *op, at string) {
	w.Helper()
	w.hold = at
	answered := make(chan reply, 1)
	go func() { answered <- o.send() }()
	if err := w.awaitHeld(); err != nil {
		w.Fatalf("%s: %v", o.name, err)
	}
	w.restart()
	r := <-answered
	w.hold = ""
	if r.err == nil {
		w.Fatalf("%s was held %s it was taken, and is answered: %d %s", o.name, at, r.status, r.body)
	}
	tally.calls++
	tally.held++
	tally.unanswered++
	o.settle()
	w.everything()
}

// oneIn is a chance of one in 2 to the power of halvings: rapid's integers tend to
// be small, its booleans are fair.
func (w *stateMachine) oneIn(halvings int, what string) bool {
	all := true
	for range halvings {
		all = rapid.Bool().Draw(w.T, what) && all
	}
	return all
}

// step makes one move.
func (w *stateMachine) step() {
	w.Helper()
	ops := w.possible()
	one := ops[rapid.IntRange(0, len(ops)-1).Draw(w.T, "call")]
	if !w.oneIn(4, "kill") {
		w.do(one)
		if one.name == "commit" && w.oneIn(1, "another behind it") {
			w.commitBeside(one)
		}
		if one.name == "commit" && one.target.order > 0 && w.oneIn(1, "while it is indexed") {
			tally.indexing++
			w.killDuring(nil, time.Duration(rapid.IntRange(0, 40_000).Draw(w.T, "µs"))*time.Microsecond)
		}
		return
	}
	switch rapid.IntRange(0, 4).Draw(w.T, "how") {
	case 0:
		w.killHeld(one, holdBefore)
	case 1:
		w.killHeld(one, holdAfter)
	case 2:
		w.killDuring([]*op{one}, time.Duration(rapid.IntRange(0, 5_000).Draw(w.T, "µs"))*time.Microsecond)
	case 3:
		w.killDuring(w.beside(one), time.Duration(rapid.IntRange(0, 15_000).Draw(w.T, "µs"))*time.Microsecond)
	default:
		w.restart()
		w.everything()
	}
}

// beside adds, to a call, the blocks of another session and a lookup, whose
// outcomes do not depend on it.
func (w *stateMachine) beside(one *op) []*op {
	ops := []*op{one}
	if one.name == "delete store" || one.name == changesStore {
		return ops
	}
	for _, s := range w.stores {
		ops = append(ops, w.match(s, 0))
		for _, m := range s.sessions {
			if m == one.target || !m.unfinished() || m.deleted || m.sealed || len(ops) > 8 {
				continue
			}
			for n := range m.blocks {
				ops = append(ops, w.stage(s, m, n))
			}
		}
	}
	return ops
}

// TestModel drives a service of its own process with random calls, kills it at
// random moments, and holds what it says against a model: what was acknowledged
// is there, and what was not answered happened whole or not at all.
// -rapid.checks sets how long it runs.
func TestModel(t *testing.T) {
	setUnlessGiven(t, "rapid.checks", "2")
	began := time.Now()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		p, err := newProcess(dir)
		if err != nil {
			r.Fatal(err)
		}
		defer func() {
			p.close()
			_ = os.RemoveAll(dir) // TempDir tries again
		}()
		w := &stateMachine{T: r, process: p, rival: rival{map[string]string{}}}
		w.do(w.createStore())
		for range rapid.IntRange(100, 240).Draw(r, "steps") {
			w.step()
		}
		w.settleAll()
	})
	t.Logf("%d operations (%d calls, %d reads), %d kills: %d at a random moment, %d of them while a table was indexed, and %d while a call was held; %d calls were not answered; %d questions were refused for their rules, %d tables seen that were judged before; %d calls of another tenant; %s",
		tally.calls+tally.reads, tally.calls, tally.reads, tally.kills, tally.moment, tally.indexing, tally.held, tally.unanswered, tally.refused, tally.judged, tally.rival, time.Since(began).Round(time.Second))
	if tally.rival == 0 {
		t.Error("no other tenant calls")
	}
	if tally.kills < 5 || tally.unanswered == 0 {
		t.Errorf("the service was killed %d times, and %d calls went unanswered: the test tests nothing", tally.kills, tally.unanswered)
	}
}

// setUnlessGiven gives a flag another default until the test ends.
func setUnlessGiven(t *testing.T, name, value string) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	f := flag.Lookup(name)
	before := f.Value.String()
	testkit.Must(t, f.Value.Set(value))
	t.Cleanup(func() { testkit.Must(t, f.Value.Set(before)) })
}

// settleAll waits for the ends of all that was committed, has calls held in every
// run, whatever was drawn, and looks once more.
func (w *stateMachine) settleAll() {
	w.Helper()
	for _, s := range w.stores {
		for _, m := range s.sessions {
			if m.order > 0 && !m.deleted {
				w.await(s, m)
			}
		}
	}
	for _, s := range w.stores {
		w.awaitSearchable(s)
	}
	w.killHeld(w.createStore(), holdBefore)
	w.killHeld(w.createStore(), holdAfter)
	for _, s := range w.stores {
		w.do(w.match(s, 0))
		w.do(w.lookup(s, 0))
	}
}

// await reads a session until it has ended.
func (w *stateMachine) await(s *modelStore, m *modelSession) {
	w.Helper()
	w.eventually("the end of a session", func() bool {
		var got edm.Session
		w.read(sessionsPath(s, m.id), &got)
		w.checkSession(s, m, &got)
		return m.done
	})
}

// eventually asks again until something is so.
func (w *stateMachine) eventually(what string, is func() bool) {
	w.Helper()
	timeout := time.After(time.Minute)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			w.Fatalf("%s does not come\n%s", what, w.log.String())
		}
	}
}

func blockURL(uri, id string) string { return uri + "&comp=block&blockid=" + url.QueryEscape(id) }
