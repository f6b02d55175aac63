package service

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"runtime"
	"sync"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

// turns bounds the calls of one caller that are worked on at a time. More of them would be
// done no sooner, for they need processors, and other callers would wait behind them. What
// is waited for outside, a body or a reader of an answer, takes no turn.
type turns struct {
	most int

	mu sync.Mutex
	of map[asker]*turn
}

// turn has a place for each call of a caller that is worked on. users are those calls and
// the ones that wait.
type turn struct {
	places chan struct{}
	users  int
}

// leastTurns are those of a machine of few processors.
const leastTurns = 4

func newTurns() *turns {
	return &turns{most: max(leastTurns, 2*runtime.GOMAXPROCS(0)), of: map[asker]*turn{}}
}

// take waits for a place of a caller, which is given back by done.
func (t *turns) take(ctx context.Context, caller authn.Caller) (done func(), err error) {
	of := asker{caller.Tenant, caller.Name}
	own := t.use(of)
	select {
	case own.places <- struct{}{}:
		return func() { <-own.places; t.leave(of) }, nil
	case <-ctx.Done():
		t.leave(of)
		return nil, fail(http.StatusServiceUnavailable, edm.CodeUnavailable, "the caller is gone")
	}
}

// arrive waits for the whole body of a call that may have one. What is wrong with it is told
// to the one who reads it.
func arrive(r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete {
		return
	}
	data, err := io.ReadAll(r.Body) // which is bounded
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), &failing{err}))
}

// failing is the end of a body, with what was wrong.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, cmp.Or(f.err, io.EOF) }

func (t *turns) use(of asker) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.of[of]
	if own == nil {
		own = &turn{places: make(chan struct{}, t.most)}
		t.of[of] = own
	}
	own.users++
	return own
}

// leave forgets a caller that has no call any more.
func (t *turns) leave(of asker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own := t.of[of]; own.users > 1 {
		own.users--
	} else {
		delete(t.of, of)
	}
}
