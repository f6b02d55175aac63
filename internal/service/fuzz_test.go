package service

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// FuzzRequests sends whole requests. None brings a panic, a 5xx or a word of a
// secret; what is refused says why in the API's form; and the records make sense
// afterwards.
func FuzzRequests(f *testing.F) {
	h := newHarness(f)
	for _, seed := range requestSeeds(h) {
		f.Add(seed.method, seed.target, seed.header, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, target, header string, body []byte) {
		h.t = t
		defer h.restore()
		r, w := h.call(method, target, header, body)
		if r == nil {
			return
		}
		checkAnswer(t, r, w)
		if h.changed() {
			h.checkRecords()
			h.sweep(t.Context())
			h.checkRecords()
		}
	})
}

type requestSeed struct {
	method, target, header string
	body                   []byte
}

func requestSeeds(h *harness) []requestSeed {
	const stores, agents = base + "/exactMatchDataStores", base + "/exactMatchUploadAgents"
	token := `"AQEBAQEBAQEBAQEBAQEBAQ=="`
	session := `{"fields":["ID"],"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":3,"keyId":"` + fuzzKeyID + `","uploadAgentId":"agent"}`
	seeds := []requestSeed{
		{"GET", "/healthz", "", nil}, {"GET", "/", "", nil}, {"GET", base + "/x", "", nil}, {"GET", agents + "?$top=1", "", nil},
		{"POST", agents, "client-request-id: 1", []byte(`{"description":"x"}`)}, {"PATCH", agents + "/agent", "", []byte(`{"description":"y"}`)},
		{"POST", agents, "client-request-id: " + strings.Repeat("x", 40_000), []byte(`{}`)},
		{"GET", agents + "/agent?$select=id", "", nil}, {"DELETE", agents + "/agent", "", nil},
		{"GET", stores + "?$filter=displayName%20eq%20'live'&$count=true", "", nil},
		{"POST", stores, "", []byte(`{"displayName":"new","columns":[{"name":"A","ignoredDelimiters":["-"]},{"name":"B","isSearchable":true}]}`)},
		{"GET", stores + "/live", "", nil}, {"PATCH", stores + "/live", "", []byte(`{"description":"d","columns":[{"name":"ID"}]}`)},
		{"DELETE", stores + "/live", "", nil}, {"POST", stores + "/live/lookup", "", []byte(`{"key":"` + fuzzKeyID + `","values":[` + token + `],"resultColumnNames":["City"]}`)},
		{"POST", stores + "/live/match", "", []byte(`{"keyId":"` + fuzzKeyID + `","questions":[{"column":"ID","token":` + token + `,"sameRow":{"Mail":[` + token + `]},"limit":5},{"column":"Mail","token":` + token + `}]}`)},
		{"POST", stores + "/bare/lookup", "", []byte(`{"key":"","values":[""]}`)},
		{"GET", stores + "/live/sessions?$orderby=state%20desc&$skip=1", "", nil}, {"POST", stores + "/live/sessions", "client-request-id: 2", []byte(session)},
	}
	own := strings.Replace(session, `"fields":["ID"]`, `"columns":[{"name":"ID","isCaseInsensitive":true,"ignoredDelimiters":["-"],"rulesId":"v1:caseInsensitive:002D"}]`, 1)
	graphs := `{"fileName":"a.csv","rowsPerBlock":2,"totalBlockCount":2,"datastoreId":"live","salt":"s","checksum":""}`
	seeds = append(seeds, requestSeed{"POST", stores + "/live/sessions", "", []byte(graphs)}, requestSeed{"PATCH", stores + "/live/sessions/created", "", []byte(graphs)})
	question := `{"keyId":"` + fuzzKeyID + `","questions":[{"column":"ID","token":` + token + `}],"rulesId":{"ID":"v1:exact:"}}`
	seeds = append(seeds, requestSeed{"POST", stores + "/live/sessions", "client-request-id: 3", []byte(own)},
		requestSeed{"POST", stores + "/live/match", "", []byte(question)}, requestSeed{"POST", stores + "/live/match", "", []byte(strings.Replace(question, "exact", "other", 1))},
		requestSeed{"POST", stores + "/live/match", "", []byte(strings.Replace(question, `"rulesId"`, `"questions":[{"limit":-1}],"rulesId"`, 1))},
		requestSeed{"POST", stores, "", []byte(`{"displayName":"owned","columns":[{"name":"A"}],"owner":{"cluster":"c","namespace":"n","name":"o"}}`)},
		requestSeed{"PATCH", stores + "/live", "", []byte(`{"owner":{"cluster":"c","namespace":"n","name":"o"},"columns":[{"name":"City","isSearchable":true},{"name":"Mail"}]}`)})
	for _, id := range []string{"created", "staged", "sealed", "processing", "done", "other"} {
		at := stores + "/live/sessions/" + id
		seeds = append(seeds, requestSeed{"GET", at + "?$expand=uploadAgent", "", nil}, requestSeed{"PATCH", at, "", []byte(`{"fileName":"b.csv"}`)},
			requestSeed{"DELETE", at, "", nil}, requestSeed{"POST", at + "/commit", "", nil}, requestSeed{"POST", at + "/commit", `If-Match: "live-1"`, nil}, requestSeed{"POST", at + "/cancel", "", nil},
			requestSeed{"POST", at + "/renew", "", nil}, requestSeed{"GET", at + "/uploadAgent", "", nil})
		one, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Sessions, id)
		h.must(err)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		signed := strings.TrimPrefix(h.uploadURI(r, one), "http://service")
		first, second := block.ID(0, block.Sum(h.data[0])), block.ID(1, block.Sum(h.data[1]))
		list := "<BlockList><Latest>" + first + "</Latest><Latest>" + second + "</Latest></BlockList>"
		seeds = append(seeds, requestSeed{"PUT", signed + "&comp=block&blockid=" + url.QueryEscape(second), "", h.data[1]},
			requestSeed{"GET", signed + "&comp=blocklist&blocklisttype=all", "", nil}, requestSeed{"PUT", signed + "&comp=blocklist", "", []byte(list)})
	}
	return seeds
}

// checkAnswer looks at an answer for itself.
func checkAnswer(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	text := w.Body.String()
	shown := fmt.Sprint(w.Header()) + text
	for _, secret := range []string{fuzzToken, string(fuzzSecret)} {
		if strings.Contains(shown, secret) {
			t.Fatalf("%s %s answers with a secret: %s", r.Method, r.URL, shown)
		}
	}
	if w.Code >= 500 {
		t.Fatalf("%s %s is answered %d: %s", r.Method, r.URL, w.Code, text)
	}
	if w.Code < 400 {
		return
	}
	var code, message string
	if strings.HasPrefix(r.URL.Path, "/upload/") && w.Header().Get("Content-Type") == "application/xml" {
		var said struct{ Code, Message string }
		if err := xml.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatalf("%s %s is refused with %q: %v", r.Method, r.URL, text, err)
		}
		code, message = said.Code, said.Message
	} else {
		var said struct{ Error edm.ODataError }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Error.InnerError.ClientRequestID != w.Header().Get("client-request-id") || said.Error.InnerError.RequestID != w.Header().Get("request-id") {
			t.Fatalf("%s %s is refused with %q: %v", r.Method, r.URL, text, err)
		}
		code, message = said.Error.Code, said.Error.Message
	}
	if code == "" || message == "" || !utf8.ValidString(message) || len(message) > maxMessage {
		t.Fatalf("%s %s is refused with code %q and %d bytes of message: %q", r.Method, r.URL, code, len(message), message)
	}
}

// FuzzSignature changes a signed upload URI. No other tenant, session, time, version or
// permission is ever granted than those that were signed, nor after the end.
func FuzzSignature(f *testing.F) {
	h := newHarness(f)
	one, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Sessions, "created")
	h.must(err)
	issued, err := url.Parse(h.uploadURI(httptest.NewRequest(http.MethodGet, "/", nil), one))
	h.must(err)
	granted := issued.Query()
	one.Tenant = "prod/hr"
	tenants, err := url.Parse(h.uploadURI(httptest.NewRequest(http.MethodGet, "/", nil), one))
	h.must(err)
	grants := map[string]url.Values{"": granted, h.handleOf("prod/hr"): tenants.Query(), h.handleOf("prod/it"): {}}
	f.Add("created", tenants.RawQuery, uint16(0), uint8(0))
	f.Add("created", issued.RawQuery, uint16(0), uint8(0))
	f.Add("created", issued.RawQuery+"&comp=block&sp=rcwd", uint16(3), uint8(1))
	f.Add("other", issued.RawQuery, uint16(0), uint8(0))
	f.Add("created\n2024-11-04", strings.Replace(issued.RawQuery, "sv=2024-11-04", "sv=", 1), uint16(0), uint8(0))
	f.Add("created", "sig=&se=9999-12-31T23%3A59%3A59Z&sp=rcw", uint16(0), uint8(0))
	f.Add("created", strings.Replace(issued.RawQuery, "se=2026", "se=2027", 1), uint16(0), uint8(0))
	for _, other := range []string{"sp=rcwd", "sp=rw", "sr=c", "sv=2024-11-05"} {
		name, _, _ := strings.Cut(other, "=")
		changed := issued.Query()
		changed.Set(name, strings.TrimPrefix(other, name+"="))
		f.Add("created", changed.Encode(), uint16(0), uint8(0))
	}
	f.Add("created", strings.ToLower(issued.RawQuery), uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, session, query string, at uint16, change uint8) {
		if query != "" {
			changed := []byte(query)
			changed[int(at)%len(changed)] ^= change
			query = string(changed)
		}
		r := &http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/upload/x", RawQuery: query}}
		got := r.URL.Query()
		for _, permission := range []string{"r", "w", "d"} {
			for handle, granted := range grants {
				same := session == "created" && permission != "d" && len(granted) > 0
				for _, name := range []string{"sv", "sr", "sp", "se", "sig"} {
					same = same && got.Get(name) == granted.Get(name)
				}
				if (h.ours(r, handle, session) && h.permitted(r, permission)) != same {
					t.Fatalf("%q of %q below %q permits %q: want %t", query, session, handle, permission, same)
				}
			}
		}
		late := &Service{config: Config{Now: func() time.Time { return fuzzNow.Add(5 * time.Hour) }}, secret: h.secret}
		if late.ours(r, "", session) && late.permitted(r, "w") {
			t.Fatalf("%q of %q is taken after its end", query, session)
		}
	})
}
