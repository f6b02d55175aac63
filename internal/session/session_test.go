package session

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// prepared are the facts of a session that may be planned; tests change one
// thing at a time.
func prepared(change ...func(*Facts)) Facts {
	f := Facts{Preparation: PreparationReady, ContentKey: "a", RemoteContentKey: "a", Admitted: true}
	for _, c := range change {
		c(&f)
	}
	return f
}

func remote(r Remote) func(*Facts) { return func(f *Facts) { f.Remote = r } }

// lifecycle is the whole table a second time, as a reader expects it. U, C, X
// are the desired states Uploaded, Committed, Cancelled; S is suspended; the last three
// are a deletion under the policies Cancel, Delete, Orphan.
const lifecycle = `
InDoubt           Resolve           Resolve           Resolve   Resolve   Resolve Resolve RemoveFinalizer
Invalid           RejectSource      RejectSource      Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
InvalidOpen       Abandon           Abandon           Cancel    None      Cancel  Delete  RemoveFinalizer
Processing        Watch             Watch             TooLate   Watch     RemoveFinalizer Delete  RemoveFinalizer
Unprepared        Prepare           Prepare           Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
UnpreparedOpen    Prepare           Prepare           Cancel    None      Cancel  Delete  RemoveFinalizer
Outdated          Supersede         Supersede         Cancel    None      Cancel  Delete  RemoveFinalizer
OutdatedEnded     Restart           Restart           Cancelled None      RemoveFinalizer Delete  RemoveFinalizer
Lost              Completed         Restart           TooLate   None      RemoveFinalizer Delete  RemoveFinalizer
Completed         Completed         Completed         TooLate   Completed RemoveFinalizer Delete  RemoveFinalizer
CancelledByUs     Restart           Restart           Cancelled None      RemoveFinalizer Delete  RemoveFinalizer
CancelledByOthers CancelledRemotely CancelledRemotely Cancelled None      RemoveFinalizer Delete  RemoveFinalizer
Failed            Fail              Fail              Cancelled None      RemoveFinalizer Delete  RemoveFinalizer
AlreadyLive       AlreadyUploaded   AlreadyUploaded   Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
Guarded           Hold              Hold              Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
Queued            Queue             Queue             Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
Ready             Plan              Plan              Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
Intended          Create            Create            Cancelled None      RemoveFinalizer RemoveFinalizer RemoveFinalizer
Broken            Abandon           Abandon           Cancel    None      Cancel  Delete  RemoveFinalizer
SealedGuarded     Uploaded          Hold              Cancel    None      Cancel  Delete  RemoveFinalizer
QueuedOpen            Queue             Queue             Cancel    None      Cancel  Delete  RemoveFinalizer
Renamed           Rename            Rename            Cancel    None      Cancel  Delete  RemoveFinalizer
RenewalDue       Renew             Renew             Cancel    None      Cancel  Delete  RemoveFinalizer
Open              Upload            Upload            Cancel    None      Cancel  Delete  RemoveFinalizer
Sealed            Uploaded          Commit            Cancel    None      Cancel  Delete  RemoveFinalizer
Unknown           Watch             Watch             Cancel    None      Cancel  Delete  RemoveFinalizer
`

// examples has facts for every situation.
var examples = map[Situation][]Facts{
	InDoubt: {{Intent: IntentInDoubt}, prepared(func(f *Facts) { f.Intent = IntentInDoubt })},
	Invalid: {
		{Preparation: PreparationInvalid},
		{Preparation: PreparationInvalid, Remote: RemoteFailed},
	},
	InvalidOpen: {{Preparation: PreparationInvalid, Remote: RemoteOpen}, {Preparation: PreparationInvalid, Remote: RemoteSealed}},
	Processing: {
		prepared(remote(RemoteProcessing)),
		{Remote: RemoteProcessing},
		{Remote: RemoteProcessing, Preparation: PreparationInvalid},
	},
	Unprepared:     {{}, {Remote: RemoteCompleted}, {Remote: RemoteForgotten, RestartRequested: true}},
	UnpreparedOpen: {{Remote: RemoteOpen}, {Remote: RemoteSealed, Admitted: true}, {Remote: RemoteUnknown}},
	Outdated: {
		prepared(remote(RemoteOpen), func(f *Facts) { f.RemoteContentKey = "b" }),
		prepared(remote(RemoteSealed), func(f *Facts) { f.RemoteContentKey = "b"; f.Admitted = false }),
	},
	OutdatedEnded: {
		prepared(remote(RemoteCompleted), func(f *Facts) { f.RemoteContentKey = "b" }),
		prepared(remote(RemoteFailed), func(f *Facts) { f.RestartRequested = true }),
	},
	Lost:              {prepared(remote(RemoteCompleted), func(f *Facts) { f.Lost = true }), prepared(remote(RemoteCompleted), func(f *Facts) { f.Lost, f.Admitted = true, false })},
	Completed:         {prepared(remote(RemoteCompleted)), prepared(remote(RemoteCompleted), func(f *Facts) { f.Admitted = false })},
	CancelledByUs:     {prepared(remote(RemoteCancelled), func(f *Facts) { f.CancelRequested = true })},
	CancelledByOthers: {prepared(remote(RemoteCancelled))},
	Failed:            {prepared(remote(RemoteFailed)), prepared(remote(RemoteExpired)), prepared(remote(RemoteForgotten))},
	AlreadyLive:       {prepared(func(f *Facts) { f.Live = true }), prepared(func(f *Facts) { f.Live, f.Guarded, f.Admitted = true, true, false })},
	Guarded:           {prepared(func(f *Facts) { f.Guarded = true }), prepared(func(f *Facts) { f.Guarded, f.Admitted = true, false })},
	Queued:            {prepared(func(f *Facts) { f.Admitted = false })},
	Ready: {
		prepared(),
		prepared(func(f *Facts) { f.Intent, f.RemoteContentKey = IntentFresh, "b" }),
	},
	Intended: {prepared(func(f *Facts) { f.Intent = IntentFresh })},
	Broken: {
		prepared(remote(RemoteOpen), func(f *Facts) { f.UploadFailed = true }),
		prepared(remote(RemoteSealed), func(f *Facts) { f.UploadFailed = true }),
	},
	SealedGuarded: {
		prepared(remote(RemoteSealed), func(f *Facts) { f.Guarded = true }),
		prepared(remote(RemoteSealed), func(f *Facts) { f.Guarded, f.Admitted = true, false }),
	},
	QueuedOpen: {
		prepared(remote(RemoteOpen), func(f *Facts) { f.Admitted = false }),
		prepared(remote(RemoteSealed), func(f *Facts) { f.Admitted = false }),
	},
	Renamed: {
		prepared(remote(RemoteOpen), func(f *Facts) { f.RenameRequested = true }),
		prepared(remote(RemoteSealed), func(f *Facts) { f.RenameRequested = true }),
	},
	RenewalDue: {
		prepared(remote(RemoteOpen), func(f *Facts) { f.UploadURIExpiry = now.Add(4 * time.Minute) }),
		prepared(remote(RemoteOpen), func(f *Facts) {
			f.UploadURIExpiry, f.EstimatedEnd = now.Add(29*time.Minute), now.Add(25*time.Minute)
		}),
		prepared(remote(RemoteSealed), func(f *Facts) { f.RenewRequested = true }),
		prepared(remote(RemoteOpen), func(f *Facts) { f.UploadURIRefused = true }),
		// A URI of 8 minutes: a quarter is left, or a half and the upload takes longer.
		prepared(remote(RemoteOpen), func(f *Facts) {
			f.UploadURIIssued, f.UploadURIExpiry = now.Add(-7*time.Minute), now.Add(time.Minute)
		}),
		prepared(remote(RemoteOpen), func(f *Facts) {
			f.UploadURIIssued, f.UploadURIExpiry, f.EstimatedEnd = now.Add(-5*time.Minute), now.Add(3*time.Minute), now.Add(time.Hour)
		}),
	},
	Open: {
		prepared(remote(RemoteOpen)),
		prepared(remote(RemoteOpen), func(f *Facts) { f.UploadURIExpiry = now.Add(5 * time.Minute) }),
		prepared(remote(RemoteOpen), func(f *Facts) {
			f.UploadURIExpiry, f.EstimatedEnd = now.Add(31*time.Minute), now.Add(2*time.Hour)
		}),
		prepared(remote(RemoteOpen), func(f *Facts) { f.RestartRequested = true }),
		// The same URI when it is new, and one from a clock that is far behind ours.
		prepared(remote(RemoteOpen), func(f *Facts) {
			f.UploadURIIssued, f.UploadURIExpiry, f.EstimatedEnd = now.Add(-time.Minute), now.Add(7*time.Minute), now.Add(time.Hour)
		}),
		prepared(remote(RemoteOpen), func(f *Facts) { f.UploadURIIssued, f.UploadURIExpiry = now.Add(-time.Minute), now.Add(-2*time.Minute) }),
	},
	Sealed:  {prepared(remote(RemoteSealed)), prepared(remote(RemoteSealed), func(f *Facts) { f.UploadURIExpiry = now })},
	Unknown: {prepared(remote(RemoteUnknown)), prepared(remote(RemoteUnknown), func(f *Facts) { f.Admitted = false })},
}

func TestEveryCellOfTheLifecycle(t *testing.T) {
	seen := map[Situation]bool{}
	for line := range strings.Lines(strings.TrimSpace(lifecycle)) {
		words := strings.Fields(line)
		situation := Situation(words[0])
		seen[situation] = true
		if len(words) != 1+len(Desires) || len(examples[situation]) == 0 {
			t.Fatalf("%s: %d cells and %d examples, want %d and at least one", situation, len(words)-1, len(examples[situation]), len(Desires))
		}
		for i, desired := range Desires {
			for n, facts := range examples[situation] {
				if got := Next(desired, facts, now); got != Step(words[1+i]) {
					t.Errorf("%s, %s desired, example %d (observed as %s): step %s, want %s",
						situation, desired, n, Observe(facts, now), got, words[1+i])
				}
			}
		}
	}
	for _, s := range Situations {
		if !seen[s] || table[s] == nil {
			t.Errorf("situation %s stands in no row", s)
		}
	}
	if len(table) != len(Situations) || len(seen) != len(Situations) {
		t.Errorf("%d rows, %d asserted, %d situations", len(table), len(seen), len(Situations))
	}
}

func TestStepsAreThoseOfTheTable(t *testing.T) {
	named := map[Step]bool{}
	for situation, cells := range table {
		for desired, step := range cells {
			named[step] = true
			if !slices.Contains(Steps, step) {
				t.Errorf("%s, %s desired: Steps lacks %q", situation, desired, step)
			}
		}
	}
	for _, step := range Steps {
		if !named[step] {
			t.Errorf("no cell names the step %s", step)
		}
	}
	if len(named) != len(Steps) {
		t.Errorf("%d steps are listed, %d named", len(Steps), len(named))
	}
}

func TestExamplesAreObservedAsTheirSituation(t *testing.T) {
	for situation, all := range examples {
		for n, facts := range all {
			if got := Observe(facts, now); got != situation {
				t.Errorf("example %d of %s is observed as %s: %+v", n, situation, got, facts)
			}
		}
	}
}

// anyFacts draws facts with no regard to what can happen together.
func anyFacts(t *rapid.T) Facts {
	return Facts{
		Preparation: rapid.SampledFrom([]Preparation{PreparationNone, PreparationReady, PreparationInvalid}).Draw(t, "preparation"),
		ContentKey:  "a", RemoteContentKey: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "remoteContentKey"),
		Remote: rapid.SampledFrom([]Remote{RemoteNone, RemoteOpen, RemoteSealed, RemoteProcessing, RemoteCompleted,
			RemoteCancelled, RemoteFailed, RemoteExpired, RemoteForgotten, RemoteUnknown}).Draw(t, "remote"),
		Intent: rapid.SampledFrom([]Intent{IntentNone, IntentFresh, IntentInDoubt}).Draw(t, "intent"),
		Live:   rapid.Bool().Draw(t, "live"), Lost: rapid.Bool().Draw(t, "lost"), Guarded: rapid.Bool().Draw(t, "guarded"), Admitted: rapid.Bool().Draw(t, "admitted"),
		CancelRequested: rapid.Bool().Draw(t, "cancelRequested"), UploadFailed: rapid.Bool().Draw(t, "uploadFailed"),
		RestartRequested: rapid.Bool().Draw(t, "restart"), RenewRequested: rapid.Bool().Draw(t, "renew"),
		UploadURIExpiry: now.Add(time.Duration(rapid.IntRange(-60, 600).Draw(t, "uploadURI")) * time.Minute),
	}
}

func TestSafetyForAnyFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		for _, desired := range Desires {
			step := Next(desired, f, now)
			switch {
			case step == "":
				t.Fatalf("no step for %s under %+v", desired, f)
			case (step == StepPlan || step == StepCreate) && (f.Remote != RemoteNone || !f.Admitted || f.Guarded || f.Live || f.Intent == IntentInDoubt):
				t.Fatalf("%s although something is open, guarded, live, in doubt or not admitted: %+v", step, f)
			case step == StepCommit && (desired != Committed || f.Remote != RemoteSealed || f.RemoteContentKey != f.ContentKey || !f.Admitted || f.Guarded):
				t.Fatalf("commit of what was not asked for: %s %+v", desired, f)
			case step == StepDelete && desired != DeleteRemote:
				t.Fatalf("deletes under %s", desired)
			case step == StepRemoveFinalizer && desired == DeleteCancel && f.Remote.Unfinished():
				t.Fatalf("lets go of an unfinished session: %+v", f)
			case step == StepCancel && f.Remote == RemoteNone:
				t.Fatalf("cancels nothing: %+v", f)
			}
		}
	})
}

func TestFoldState(t *testing.T) {
	for state, want := range map[string]Remote{
		"Created": RemoteOpen, "UploadInProgress": RemoteOpen, "UploadCompleted": RemoteSealed,
		"ProcessingInProgress": RemoteProcessing, "Completed": RemoteCompleted, "Cancelled": RemoteCancelled,
		"Failed": RemoteFailed, "Expired": RemoteExpired, "": RemoteUnknown, "Paused": RemoteUnknown,
	} {
		if got := FoldState(state); got != want {
			t.Errorf("FoldState(%q) = %s, want %s", state, got, want)
		}
	}
}

func TestDocumentIsUpToDate(t *testing.T) {
	have, err := os.ReadFile("STATES.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != Markdown() {
		t.Error("STATES.md tells another story than the table; run make generate")
	}
}
