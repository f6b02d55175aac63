package lookup

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/live"
)

var testKey = []byte("a key for tests that has 32 bytes or more")

// result is the answer to one question, with what all answers of a call share.
type result struct {
	edm.MatchAnswer
	generation int64
	session    string
}

// fakeStores is one data store that answers each question as a test says;
// questions count from 0. A call fails with the first of its questions that does.
type fakeStores struct {
	edm.Stores
	answer    func(ctx context.Context, question int) (*result, error)
	questions atomic.Int64
}

func (f *fakeStores) List(context.Context, edm.Query) ([]edm.DataStore, error) {
	return []edm.DataStore{{ID: "1", DisplayName: "numbers", Columns: []edm.Column{{Name: "ID", IsSearchable: true}}}}, nil
}

func (f *fakeStores) Match(ctx context.Context, _ string, q edm.MatchRequest) (*edm.MatchResponse, error) {
	n := len(q.Questions)
	first := int(f.questions.Add(int64(n))) - n
	out := &edm.MatchResponse{}
	for i := range n {
		got, err := f.answer(ctx, first+i)
		if err != nil {
			return nil, err
		}
		out.Generation, out.SessionID, out.Answers = got.generation, got.session, append(out.Answers, got.MatchAnswer)
	}
	return out, nil
}

// row answers that one row holds the value.
func row(n int) *result {
	return &result{edm.MatchAnswer{Total: 1, Rows: []edm.MatchRow{{Row: int64(n)}}}, 1, "s"}
}

func (f *fakeStores) open(t *testing.T) *Asker {
	t.Helper()
	a, err := Open(t.Context(), f, Query{Key: testKey, Store: "numbers", Column: "ID"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// count is the values 1 to n.
func count(n int) iter.Seq2[Value, error] {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = strconv.Itoa(i + 1)
	}
	return numbered(texts)
}

// each collects the numbers of the answers.
func each(ctx context.Context, a *Asker, values iter.Seq2[Value, error]) (numbers []int, err error) {
	err = a.Each(ctx, values, func(f Found) error {
		numbers = append(numbers, f.Value)
		return nil
	})
	return numbers, err
}

func inOrder(t *testing.T, numbers []int, n int) {
	t.Helper()
	if len(numbers) != n {
		t.Fatalf("%d answers, want %d", len(numbers), n)
	}
	for i, number := range numbers {
		if number != i+1 {
			t.Fatalf("answer %d is of value %d", i+1, number)
		}
	}
}

func TestAnswersKeepTheOrderOfTheValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		stores := &fakeStores{answer: func(ctx context.Context, call int) (*result, error) {
			for n := now.Add(1); ; {
				seen := most.Load()
				if n <= seen || most.CompareAndSwap(seen, n) {
					break
				}
			}
			defer now.Add(-1)
			return row(call), live.Sleep(ctx, time.Duration(100-call)*time.Millisecond) // later ones are faster
		}}
		a := stores.open(t)
		a.batch = 3
		numbers, err := each(t.Context(), a, count(100))
		if err != nil {
			t.Fatal(err)
		}
		inOrder(t, numbers, 100)
		if most.Load() != inFlight {
			t.Errorf("%d batches were asked at once, want %d", most.Load(), inFlight)
		}
	})
}

func TestAnswersBeforeAnErrorAreYielded(t *testing.T) {
	failed := &edm.Error{Op: "match", Status: 422, Code: edm.CodeKeyMismatch, Class: edm.Terminal}
	stores := &fakeStores{answer: func(_ context.Context, call int) (*result, error) {
		if call >= 20 {
			return nil, failed
		}
		return row(call), nil
	}}
	a := stores.open(t)
	a.batch = 3
	numbers, err := each(t.Context(), a, count(1_000))
	// Which of the batches in flight has the 21st question is not fixed.
	var of *ValueError
	if !errors.Is(err, failed) || !errors.As(err, &of) || of.Number != len(numbers)+1 || len(numbers) > 20 || len(numbers) < 20-inFlight*a.batch {
		t.Errorf("%d answers, then %v", len(numbers), err)
	}
	inOrder(t, numbers, len(numbers))
	if asked := stores.questions.Load(); asked > int64(len(numbers)+2*inFlight*a.batch) {
		t.Errorf("%d questions were asked for %d answers", asked, len(numbers))
	}
}

// TestAnInterruptionIsNeverAnEnd interrupts while values are left: whatever the
// goroutines do first, it is an error.
func TestAnInterruptionIsNeverAnEnd(t *testing.T) {
	for range 500 {
		ctx, stop := context.WithCancel(t.Context())
		stores := &fakeStores{answer: func(_ context.Context, call int) (*result, error) {
			if call == 3 {
				stop()
			}
			return row(call), nil
		}}
		numbers, err := each(ctx, stores.open(t), count(10_000))
		if err == nil {
			t.Fatalf("after %d of 10,000 answers it ends without an error", len(numbers))
		}
		inOrder(t, numbers, len(numbers))
	}
}

func TestAReadThatBlocksHoldsNoErrorUp(t *testing.T) {
	failed := &edm.Error{Op: "match", Status: 422, Class: edm.Terminal}
	stores := &fakeStores{answer: func(context.Context, int) (*result, error) { return nil, failed }}
	in, out := io.Pipe()
	defer func() { _ = in.Close() }()
	go func() { _, _ = io.WriteString(out, "1\n") }()
	if _, err := each(t.Context(), stores.open(t), readLines(in)); !errors.Is(err, failed) {
		t.Errorf("it ends with %v", err)
	}
}

func TestAServiceThatAsksToWaitIsAskedAgain(t *testing.T) {
	throttled := func(wait time.Duration) error {
		return &edm.Error{Op: "match", Status: 429, Code: edm.CodeThrottled, RetryAfter: wait, Class: edm.Transient}
	}
	for name, tc := range map[string]struct {
		times int
		err   error
		took  time.Duration
		fails bool
	}{
		"for 5 seconds":             {3, throttled(5 * time.Second), 15 * time.Second, false},
		"for no time that it names": {3, throttled(0), 3 * time.Second, false},
		"while it is away":          {2, &edm.Error{Op: "match", Status: 503, RetryAfter: 2 * time.Second, Class: edm.Transient}, 4 * time.Second, false},
		"for an hour":               {1, throttled(time.Hour), 0, true},
		"for ever":                  {1_000, throttled(20 * time.Second), time.Minute, true},
		"for good":                  {1, &edm.Error{Op: "match", Status: 422, Class: edm.Terminal}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stores := &fakeStores{answer: func(_ context.Context, call int) (*result, error) {
					if call < tc.times {
						return nil, tc.err
					}
					return row(call), nil
				}}
				began := time.Now()
				_, err := stores.open(t).Ask(t.Context(), Value{7, "secret"})
				if took := time.Since(began); (err != nil) != tc.fails || took != tc.took {
					t.Errorf("after %s: %v", took, err)
				}
				if tc.fails && (!errors.Is(err, tc.err) || !strings.HasPrefix(err.Error(), "value 7: ")) {
					t.Errorf("the error says %v", err)
				}
			})
		})
	}
}

func TestAnAnswerOfAnotherKindIsNoAnswer(t *testing.T) {
	for name, answer := range map[string]*result{
		"empty":               {},
		"without its session": {generation: 1},
		"more rows than all":  {edm.MatchAnswer{Rows: []edm.MatchRow{{Row: 1}}}, 1, "s"},
		"rows that are not":   {edm.MatchAnswer{Total: 1}, 1, "s"},
		"less than none":      {edm.MatchAnswer{Total: -1}, 1, "s"},
	} {
		stores := &fakeStores{answer: func(context.Context, int) (*result, error) { return answer, nil }}
		if got, err := stores.open(t).Ask(t.Context(), Value{1, "a"}); !errors.Is(err, errNoMatch) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// roundTrip answers requests without a network, so that a bubble's time stands
// still while it does: with the status and the body of an answer.
type roundTrip func(*http.Request) (int, string)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(r)
	header := http.Header{"Content-Type": {"application/json"}}
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", "30")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// runCommand asks for so many values over HTTP, of a service that lists its data
// store and answers each match by the number of its questions. It returns the time
// that the command spent waiting by itself.
func runCommand(t *testing.T, values, limit int, match func(questions int) (int, string)) time.Duration {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := flags{
		Connection: live.Connection{
			Endpoint: "http://127.0.0.1/beta", TokenFile: file("token", "token"), Store: "numbers", KeyFile: file("key", string(testKey)),
		},
		query: Query{Column: "ID", Limit: limit}, output: "table", valuesFile: "-",
	}
	web := &http.Client{Transport: roundTrip(func(r *http.Request) (int, string) {
		if r.Method == http.MethodGet {
			return 200, `{"value":[{"id":"1","displayName":"numbers","columns":[{"name":"ID","isSearchable":true}]}]}`
		}
		var q edm.MatchRequest
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		return match(len(q.Questions))
	})}
	var out strings.Builder
	began := time.Now()
	if err := f.run(t.Context(), web, strings.NewReader(strings.Repeat("K-1\n", values)), &out); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != values+1 {
		t.Errorf("%d lines are printed for %d values and a header", lines, values)
	}
	return time.Since(began)
}

// oneRowEach answers that one row holds each of n values.
func oneRowEach(questions int) string {
	one := `{"total":1,"rows":[{"row":5}]}`
	return `{"generation":1,"sessionId":"s","answers":[` + one + strings.Repeat(","+one, questions-1) + `]}`
}

// TestTheCommandHasNoPace asks for 10,000 values of a service that takes no time:
// every wait of the command's own would be time in the bubble.
func TestTheCommandHasNoPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		waited := runCommand(t, 10_000, 10, func(n int) (int, string) {
			asked.Add(int64(n))
			return 200, oneRowEach(n)
		})
		if waited != 0 || asked.Load() != 10_000 {
			t.Errorf("%d values are asked for, with waits of %s", asked.Load(), waited)
		}
	})
}

// TestTheCommandWaitsAsAsked lets the service ask for 30 seconds at its fifth
// call: until then it hears at most what was on its way: of the batches before
// that one, and of those behind it.
func TestTheCommandWaitsAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, asked, early atomic.Int64
		var until atomic.Pointer[time.Time]
		waited := runCommand(t, 200, edm.MaxLimit, func(n int) (int, string) {
			if calls.Add(1) == 5 {
				at := time.Now().Add(30 * time.Second)
				until.Store(&at)
				return 429, `{"error":{"code":"TooManyRequests","message":"slow"}}`
			}
			if at := until.Load(); at != nil && time.Now().Before(*at) {
				early.Add(1)
			}
			asked.Add(int64(n))
			return 200, oneRowEach(n)
		})
		if waited < 30*time.Second || waited > 31*time.Second {
			t.Errorf("it waits %s for a service that asks to wait 30 s once", waited)
		}
		if early.Load() > 2*(inFlight-1) || asked.Load() != 200 {
			t.Errorf("%d batches come early, and %d values are answered", early.Load(), asked.Load())
		}
	})
}

// TestBatchesFitTheBounds wants no batch that the service refuses for its size.
func TestBatchesFitTheBounds(t *testing.T) {
	for _, limit := range []int{0, 1, 10, 11, 999, edm.MaxLimit} {
		for columns := range 32 {
			n := batchOf(Query{Limit: limit, SameRow: make([]Cell, columns)})
			each := cmp.Or(limit, edm.DefaultLimit)
			if n < 1 || n > edm.MaxQuestions || n*each > edm.MaxMatchRows || n*each*columns > edm.MaxMatchCells {
				t.Errorf("%d values of limit %d beside %d columns", n, limit, columns)
			}
		}
	}
}

// TestValuesThatAreReadyAreAskedTogether reads values without a pause, and wants
// few calls.
func TestValuesThatAreReadyAreAskedTogether(t *testing.T) {
	ready := make(chan *item, 5000)
	for i := range 2_500 {
		ready <- &item{value: Value{i + 1, "a"}}
	}
	close(ready)
	a := &Asker{batch: batchOf(Query{})}
	var sizes []int
	for more := true; more; {
		var values []Value
		var failed error
		if values, failed, more = a.nextBatch(t.Context(), ready); failed != nil {
			t.Fatal(failed)
		}
		sizes = append(sizes, len(values))
	}
	if !slices.Equal(sizes, []int{1000, 1000, 500}) {
		t.Errorf("2,500 values are asked for in batches of %v", sizes)
	}
}

// TestABadValueEndsItsBatch: the values before it in the same batch are answered.
func TestABadValueEndsItsBatch(t *testing.T) {
	stores := &fakeStores{answer: func(_ context.Context, question int) (*result, error) { return row(question), nil }}
	a := stores.open(t)
	got := a.give(t.Context(), a.ask(t.Context(), []Value{{4, "a"}, {5, "b"}, {6, " "}, {7, "d"}}))
	var of *ValueError
	if len(got.found) != 2 || got.found[1].Value != 5 || !errors.As(got.err, &of) || of.Number != 6 || stores.questions.Load() != 2 {
		t.Errorf("%+v after %d questions", got, stores.questions.Load())
	}
}
