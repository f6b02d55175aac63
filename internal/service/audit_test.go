package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
)

// line is one of the log.
type line map[string]any

// lines are those of the log that say text; all of them for "".
func (c *callers) lines(text string) (out []line) {
	c.t.Helper()
	for raw := range strings.Lines(c.log.String()) {
		var one line
		c.must(json.Unmarshal([]byte(raw), &one))
		if text == "" || one["msg"] == text {
			out = append(out, one)
		}
	}
	return out
}

const agentBody = `{"description":"d"}`

// Each call that changes something, or was refused to, is one line that says who did what.
func TestTheAudit(t *testing.T) {
	c := withCallers(t)
	session := "/exactMatchDataStores/live/sessions/"
	for _, tc := range []struct {
		method, path, caller, body string
		want                       line
	}{
		{"POST", "/exactMatchUploadAgents", "u", agentBody, line{"verb": "create", "kind": "uploadAgent", "status": 201.0}},
		{"PATCH", "/exactMatchUploadAgents/agent", "u", agentBody, line{"verb": "update", "kind": "uploadAgent", "id": "agent"}},
		{"DELETE", "/exactMatchUploadAgents/agent", "r", "", line{"verb": "delete", "kind": "uploadAgent", "id": "agent", "status": 403.0}},
		{"POST", "/exactMatchDataStores", "all", `{"displayName":"new","columns":[{"name":"A"}]}`, line{"verb": "create", "kind": "dataStore", "status": 201.0}},
		{"PATCH", "/exactMatchDataStores/live", "u", "{", line{"verb": "update", "kind": "dataStore", "id": "live", "status": 400.0}},
		{"DELETE", "/exactMatchDataStores/absent", "u", "", line{"verb": "delete", "kind": "dataStore", "id": "absent", "status": 404.0}},
		{"POST", session[:len(session)-1], "u", "{", line{"verb": "create", "kind": "session", "store": "live", "status": 400.0}},
		{"PATCH", session + "created", "a", "", line{"verb": "update", "kind": "session", "id": "created", "store": "live", "status": 403.0}},
		{"POST", session + "created/commit", "u", "", line{"verb": "commit", "kind": "session", "id": "created", "store": "live"}},
		{"POST", session + "created/cancel", "r", "", line{"verb": "cancel", "kind": "session", "id": "created", "store": "live", "status": 403.0}},
		{"POST", session + "created/renew", "r", "", line{"verb": "renew", "kind": "session", "id": "created", "store": "live", "status": 403.0}},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			c.log.Reset()
			w := c.ask(tc.method, tc.path, "Bearer "+tokenOf(tc.caller), tc.body)
			all := c.lines("audit")
			if len(all) != 1 {
				t.Fatalf("there are %d lines: %s", len(all), c.log.String())
			}
			tc.want["caller"], tc.want["tenant"], tc.want["request-id"] = "static-tokens:"+tc.caller, "team", w.Header().Get("request-id")
			for name, want := range tc.want {
				if all[0][name] != want {
					t.Errorf("%s is %v, want %v", name, all[0][name], want)
				}
			}
			if w.Code == http.StatusCreated && (all[0]["id"] == "" || !strings.Contains(w.Body.String(), fmt.Sprint(all[0]["id"]))) {
				t.Errorf("the id is %v, and the answer %s", all[0]["id"], w.Body)
			}
		})
	}
	c.log.Reset()
	c.ask("GET", "/exactMatchDataStores", "Bearer "+tokenOf("r"), "")
	c.ask("POST", "/exactMatchDataStores/live/match", "Bearer "+tokenOf("r"), "{}")
	c.ask("POST", "/nothing", "Bearer "+tokenOf("r"), "{}")
	c.ask("POST", "/exactMatchUploadAgents", "Bearer "+tokenOf("stranger"), agentBody)
	if all := c.lines("audit"); len(all) != 0 {
		t.Errorf("calls that change nothing are audited: %v", all)
	}
}

// Every line of a call names it and its caller, those of handlers too.
func TestLinesOfACallNameItsCaller(t *testing.T) {
	c := withCallers(t)
	c.log.Reset()
	for _, path := range []string{"sealed/commit", "created/cancel"} {
		_, w := c.call(http.MethodPost, base+"/exactMatchDataStores/live/sessions/"+path, "client-request-id: mine", nil)
		if w.Code != http.StatusNoContent {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	c.must(c.records.Close()) // an internal error
	c.call(http.MethodGet, base+"/exactMatchDataStores", "client-request-id: mine", nil)
	for _, text := range []string{"committed", "cancelled", "internal error", "call", "audit"} {
		all := c.lines(text)
		if len(all) == 0 {
			t.Errorf("no line says %q", text)
		}
		for _, one := range all {
			if id, _ := one["request-id"].(string); one["caller"] != "bearer-token" || one["tenant"] != "" || one["request"] != "mine" || len(id) != 36 {
				t.Errorf("a line does not name its call and caller: %v", one)
			}
		}
	}
}

// A seal comes by the upload URI, whose bearer has no other name.
func TestASealIsAudited(t *testing.T) {
	c := withCallers(t)
	c.log.Reset()
	c.stage("created", 2) // which seals, too
	if all := c.lines("audit"); len(all) != 1 || all[0]["verb"] != "seal" || all[0]["kind"] != "session" || all[0]["id"] != "created" {
		t.Errorf("the lines are %v", all)
	}
}

func lookupOf(values int) string {
	text := slices.Repeat([]string{`"AQEBAQEBAQEBAQEBAQEBAQ=="`}, values)
	return `{"key":"` + fuzzKeyID + `","values":[` + strings.Join(text, ",") + `]}`
}

const oneMatch = `{"keyId":"` + fuzzKeyID + `","questions":[{"column":"ID","token":"AQEBAQEBAQEBAQEBAQEBAQ=="}]}`

// Questions are counted, and not calls: of a caller, and of all callers of its tenant.
func TestQuestionsAreBounded(t *testing.T) {
	c := withCallers(t)
	now := fuzzNow
	c.config.Now = func() time.Time { return now }
	c.oracle = newOracle(2000, 3000)
	const lookup, match = "/exactMatchDataStores/live/lookup", "/exactMatchDataStores/live/match"
	ask := func(path, caller, body string) int {
		t.Helper()
		w := c.ask(http.MethodPost, path, "Bearer "+tokenOf(caller), body)
		if w.Code != http.StatusTooManyRequests {
			return http.StatusOK // whatever the question comes to
		}
		if code, message := refusal(t, w); code != edm.CodeThrottled || !strings.Contains(message, "-questions-per-minute") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s, Retry-After %q", code, message, w.Header().Get("Retry-After"))
		}
		return w.Code
	}
	for n, tc := range []struct {
		path, caller, body string
		want               int
	}{
		{lookup, "r", lookupOf(1000), 200}, {lookup, "r", lookupOf(999), 200}, {match, "r", oneMatch, 200}, {match, "r", oneMatch, 429}, {lookup, "r", lookupOf(1), 429},
		{lookup, "ur", lookupOf(1000), 200}, {match, "ur", oneMatch, 429}, // by the tenant's
	} {
		if got := ask(tc.path, tc.caller, tc.body); got != tc.want {
			t.Errorf("question %d: %d, want %d", n, got, tc.want)
		}
	}
	now = now.Add(20 * time.Millisecond) // a tenant's question, and not one's own
	if got := ask(match, "r", oneMatch); got != 429 {
		t.Errorf("it is let in early: %d", got)
	}
	if got := ask(match, "ur", oneMatch); got != 200 {
		t.Errorf("what the tenant has left was lost to a refusal: %d", got)
	}
	now = now.Add(time.Minute)
	if got := ask(lookup, "r", lookupOf(1000)); got != 200 {
		t.Errorf("it never passes: %d", got)
	}
	if w := c.ask(http.MethodPost, lookup, "Bearer "+c.account("r"), lookupOf(1000)); w.Code == http.StatusTooManyRequests {
		t.Error("another tenant's questions were taken from it")
	}
	for range 4 {
		if w := c.ask(http.MethodPost, lookup, "Bearer "+tokenOf("root"), lookupOf(1000)); w.Code != http.StatusOK {
			t.Errorf("an administrator without a tenant: %d %s", w.Code, w.Body)
		}
	}
}

// Callers that nobody could count are refused, and those that have not asked for a while are forgotten.
func TestAskersAreBounded(t *testing.T) {
	o := newOracle(1000, 2000)
	for n := range 2 * maxAskers {
		if _, flag, _ := o.take(authn.Caller{Name: fmt.Sprint(n), Tenant: fmt.Sprint(n)}, 1, fuzzNow); flag != "" && n < maxAskers {
			t.Fatalf("caller %d is refused by %s", n, flag)
		}
	}
	if len(o.buckets.of) > 2*maxAskers || len(o.sums) > maxAskers+1 {
		t.Errorf("there are %d buckets and %d sums", len(o.buckets.of), len(o.sums))
	}
	if _, flag, wait := o.take(authn.Caller{Name: "late", Tenant: "late"}, 1, fuzzNow); flag == "" || wait <= 0 {
		t.Error("one more is taken")
	}
	if _, flag, _ := o.take(authn.Caller{Name: "late", Tenant: "late"}, 1, fuzzNow.Add(time.Minute)); flag != "" {
		t.Error("one that comes when the others are gone is refused")
	}
}

// What was asked is one line a minute and caller, which says no more than numbers.
func TestQuestionsAreSummedUp(t *testing.T) {
	c := withCallers(t)
	c.oracle = newOracle(1000, 2000)
	c.ask(http.MethodPost, "/exactMatchDataStores/live/lookup", "Bearer "+fuzzToken, lookupOf(7))
	c.ask(http.MethodPost, "/exactMatchDataStores/live/match", "Bearer "+fuzzToken, oneMatch)
	for range 2 {
		c.ask(http.MethodPost, "/exactMatchDataStores/live/lookup", "Bearer "+c.account("r"), lookupOf(600))
	}
	c.log.Reset()
	c.sumUp()
	want := []line{
		{"level": "INFO", "msg": "questions", "caller": "bearer-token", "tenant": "", "calls": 2.0, "questions": 8.0, "found": 4.0, "refused": 0.0},
		{"level": "INFO", "msg": "questions", "caller": "prod:system:serviceaccount:hr:r", "tenant": "prod/hr", "calls": 2.0, "questions": 600.0, "refused": 600.0},
	}
	got := c.lines("")
	if len(got) != len(want) {
		t.Fatalf("the log has %s", c.log.String())
	}
	for i := range want {
		delete(got[i], "time")
		if i == 1 {
			delete(got[i], "found") // what the tenant has there
		}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("the line is %v, want %v", got[i], want[i])
		}
	}
	c.log.Reset()
	c.sumUp()
	if c.log.String() != "" {
		t.Errorf("what was told is told again: %s", c.log.String())
	}
}

// The tokens of a row that was found say more than was asked.
func TestTokensOfOtherColumnsAreForAdministrators(t *testing.T) {
	c := withCallers(t)
	const path = "/exactMatchDataStores/live/lookup"
	body := strings.Replace(lookupOf(1), "]}", `],"resultColumnNames":["City"]}`, 1)
	w := c.ask(http.MethodPost, path, "Bearer "+tokenOf("r"), body)
	if code, message := refusal(t, w); w.Code != http.StatusForbidden || code != edm.CodeForbidden || !strings.Contains(message, "role admin") {
		t.Errorf("a reader: %d %s", w.Code, w.Body)
	}
	if w := c.ask(http.MethodPost, path, "Bearer "+tokenOf("root"), body); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "City") {
		t.Errorf("an administrator who reads: %d %s", w.Code, w.Body)
	}
	if w := c.ask(http.MethodPost, path, "Bearer "+tokenOf("root"), lookupOf(1)); w.Code != http.StatusOK {
		t.Errorf("without columns: %d %s", w.Code, w.Body)
	}
}
