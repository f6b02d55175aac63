package service_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/testkit"
)

// A failed session says which block is at fault and how, as Graph's resource has it, and
// under which name the log has more of it.
func TestAFailedSessionSaysWhatFailed(t *testing.T) {
	for name, tc := range map[string]struct {
		fail func(*lifecycle, *upload)
		code string
	}{
		"missing": {func(l *lifecycle, u *upload) {
			l.seal(u)
			testkit.Must(l.T, os.Remove(l.blockFile(u, 1)))
		}, "BlockMissing"},
		"damaged": {func(l *lifecycle, u *upload) {
			l.seal(u)
			flip(l.T, l.blockFile(u, 1))
		}, "BlockDamaged"},
		"of another place": {func(l *lifecycle, u *upload) {
			id, data := u.changed(1, func(h *block.Header) { h.FirstRow++ })
			testkit.Must(l.T, l.service.PutBlock(u.id, id, data))
			u.ids[1] = id
			l.seal(u)
		}, "BlockMismatch"},
		"no block": {func(l *lifecycle, u *upload) {
			data := append([]byte("no block"), u.blocks[1]...)
			u.ids[1] = block.ID(1, block.Sum(data))
			testkit.Must(l.T, l.service.PutBlock(u.id, u.ids[1], data))
			l.seal(u)
		}, "BlockUndecodable"},
	} {
		t.Run(name, func(t *testing.T) {
			l := begun(t)
			l.T = t
			u := &upload{edition: newEdition(l.names[l.store], 13, 5, modelKey)}
			l.open(u)
			tc.fail(l, u)
			r := httptest.NewRequest(http.MethodPost, "/beta/dataClassification/exactMatchDataStores/"+l.store+"/sessions/"+u.id+"/commit", nil)
			r.Header.Set("Authorization", "Bearer "+bearer)
			r.Header.Set("client-request-id", "the-commits")
			l.service.ServeHTTP(httptest.NewRecorder(), r)
			l.worked()
			got, err := l.get(u)
			testkit.Must(t, err)
			e := got.Error
			if got.State != edm.StateFailed || e == nil || e.Code != "InvalidBlock" || e.Target != "blocks" || len(e.Details) != 1 || e.InnerError == nil {
				t.Fatalf("the session is %s %s", got.State, toJSON(e))
			}
			if d := e.Details[0]; d.Code != tc.code || d.Target != "blocks[1]" || d.Message != e.Message {
				t.Errorf("the details are %s", toJSON(e.Details))
			}
			inner := e.InnerError
			if inner.Code != tc.code || inner.ErrorDateTime == nil || inner.ClientRequestID != "the-commits" {
				t.Errorf("the inner error is %s", toJSON(inner))
			}
			if len(inner.ActivityID) != 36 || !strings.Contains(l.log.String(), "activity="+inner.ActivityID) {
				t.Errorf("the log does not have the activity %q", inner.ActivityID)
			}
		})
	}
}
