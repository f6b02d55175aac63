package service_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/testkit"
)

// stopped is a service whose clock stands still.
func stopped(t *testing.T) *lifecycle {
	t.Helper()
	l := begun(t)
	l.now = func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
	l.again(func() {})
	return l
}

func (l *lifecycle) committed(rows int) *upload {
	l.Helper()
	u := l.opened(rows)
	l.wants("a commit", l.tryCommit(u), http.StatusNoContent, "")
	return u
}

// Of tables that are committed at one moment the one that was committed last is
// live, whichever is indexed first, and whenever the service starts again.
func TestCommitsOfOneMomentAreInOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		index       func(l *lifecycle, first, second, third *upload)
		generations int64
	}{
		"in their order": {func(l *lifecycle, _, _, _ *upload) { l.worked() }, 3},
		"after a restart": {func(l *lifecycle, _, _, _ *upload) {
			l.again(func() {})
			l.worked()
		}, 3},
		"the other way round": {func(l *lifecycle, first, second, third *upload) {
			for _, u := range []*upload{third, second, first} {
				testkit.Must(l.T, l.service.Index(l.Context(), u.id))
			}
		}, 1},
		"the last in the middle": {func(l *lifecycle, first, second, third *upload) {
			for _, u := range []*upload{first, third, second} {
				testkit.Must(l.T, l.service.Index(l.Context(), u.id))
			}
		}, 2},
		"with a restart between": {func(l *lifecycle, first, second, third *upload) {
			testkit.Must(l.T, l.service.Index(l.Context(), second.id))
			l.again(func() {})
			testkit.Must(l.T, l.service.Index(l.Context(), third.id))
			l.again(func() {})
			testkit.Must(l.T, l.service.Index(l.Context(), first.id))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := stopped(t)
			l.T = t
			first, second, third := l.committed(7), l.committed(8), l.committed(9)
			tc.index(l, first, second, third)
			if live := l.liveNow(); live.SessionID != third.id || live.Generation != tc.generations {
				t.Errorf("live is %s; want session %s as generation %d", toJSON(live), third.id, tc.generations)
			}
		})
	}
}

// Whatever happens to a store's tables, the next one is of a later generation.
func TestGenerationsNeverGoBack(t *testing.T) {
	l := begun(t)
	first := l.bring()
	l.again(func() { testkit.Must(t, os.RemoveAll(filepath.Join(l.dir, "tables", first.id))) })
	second := l.bring()
	l.wantsLive(2, second, true, true, false)
	l.searches("ID")
	l.worked()
	l.wantsLive(3, second, true, false, false)
	failing := l.opened(8)
	testkit.Must(t, os.Remove(l.blockFile(failing, 1)))
	l.wants("a commit that fails", l.tryCommit(failing), http.StatusNoContent, "")
	l.worked()
	l.delete(second)
	l.again(func() {})
	l.wantsLive(3, second, true, false, false)
	l.wantsLive(4, l.bring(), true, false, false)
}
