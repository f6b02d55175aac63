package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"exactmatch.dev/operator/internal/edm"
)

const (
	storesPath = "exactMatchDataStores"
	agentsPath = "exactMatchUploadAgents"
	// FormatHeader carries the block format that a service publishes.
	FormatHeader = "X-Block-Format"
)

// Stores implements edm.Service.
func (c *Client) Stores() edm.Stores { return stores{c} }

// Sessions implements edm.Service.
func (c *Client) Sessions() edm.Sessions { return sessions{c} }

// Agents implements edm.Service.
func (c *Client) Agents() edm.Agents { return agents{c} }

// BlockFormat implements edm.Service.
func (c *Client) BlockFormat(ctx context.Context) (string, error) {
	var found page[edm.UploadAgent]
	header, err := c.do(ctx, found.of(call{op: "read the block format", method: http.MethodGet, path: []string{agentsPath}, query: url.Values{"$top": {"1"}}}))
	if err != nil {
		return "", err
	}
	return header.Get(FormatHeader), nil
}

// remove deletes a resource; one that is gone already is no error.
func remove(ctx context.Context, c *Client, op string, path ...string) error {
	_, err := c.do(ctx, call{op: op, method: http.MethodDelete, path: path, status: http.StatusNoContent})
	if edm.IsNotFound(err) {
		return nil
	}
	return err
}

// page is one page of a collection, or a whole answer under "value".
type page[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"@odata.nextLink"`
}

// of completes a call whose answer is the page.
func (p *page[T]) of(k call) call {
	k.out = p
	k.asked = func() bool { return p.Value != nil }
	k.none = func() bool { return len(p.Value) == 0 }
	return k
}

// list reads a collection page by page. A nextLink is followed by its $skip or
// $skiptoken alone, so it cannot lead to another host. A collection that is not
// read to its end is an error: what is missing is not known to be absent.
func list[T any](ctx context.Context, c *Client, op string, q edm.Query, path ...string) ([]T, error) {
	var all []T
	query := queryOf(q)
	for range maxPages {
		var page page[T]
		if _, err := c.do(ctx, page.of(call{op: op, method: http.MethodGet, path: path, query: query})); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.NextLink == "" || q.Top > 0 && len(all) >= q.Top {
			return all, nil
		}
		if len(all) >= maxItems {
			return nil, &edm.Error{Op: op, Class: edm.Transient, Err: errCut}
		}
		next, err := url.Parse(page.NextLink)
		if err != nil {
			return nil, &edm.Error{Op: op, Class: edm.Transient, Err: errNextLink}
		}
		query = next.Query()
	}
	return nil, &edm.Error{Op: op, Class: edm.Transient, Err: errEndless}
}

var (
	errNextLink = errors.New("the @odata.nextLink of the response is not a URL")
	errForeign  = errors.New("the response lists sessions of another data store")
	errEndless  = errors.New("the pages of the response do not end")
	errCut      = fmt.Errorf("the collection has more than %d items, which is too many to read; delete those that are no longer needed at the service", maxItems)
)

func queryOf(q edm.Query) url.Values {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("$filter", q.Filter)
	set("$orderby", q.OrderBy)
	set("$select", strings.Join(q.Select, ","))
	if q.Top > 0 {
		set("$top", strconv.Itoa(q.Top))
	}
	if q.Skip > 0 {
		set("$skip", strconv.Itoa(q.Skip))
	}
	return values
}

type agents struct{ c *Client }

// item gets, changes or makes one upload agent, and takes no other for it.
func (a agents) item(ctx context.Context, k call, is func(*edm.UploadAgent) bool) (*edm.UploadAgent, error) {
	got := &edm.UploadAgent{}
	k.out = got
	k.asked = func() bool { return got.ID != "" && is(got) }
	if _, err := a.c.do(ctx, k); err != nil {
		return nil, err
	}
	return got, nil
}

func agentWithID(id string) func(*edm.UploadAgent) bool {
	return func(got *edm.UploadAgent) bool { return got.ID == id }
}

func (a agents) Create(ctx context.Context, agent edm.UploadAgent, requestID string) (*edm.UploadAgent, error) {
	agent.ODataType = edm.TypeUploadAgent
	k := call{op: "create upload agent", method: http.MethodPost, path: []string{agentsPath}, body: agent, requestID: requestID, once: true, status: http.StatusCreated}
	return a.item(ctx, k, func(got *edm.UploadAgent) bool { return got.Description == agent.Description })
}

func (a agents) Get(ctx context.Context, id string) (*edm.UploadAgent, error) {
	return a.item(ctx, call{op: "get upload agent", method: http.MethodGet, path: []string{agentsPath, id}}, agentWithID(id))
}

func (a agents) List(ctx context.Context, q edm.Query) ([]edm.UploadAgent, error) {
	return list[edm.UploadAgent](ctx, a.c, "list upload agents", q, agentsPath)
}

func (a agents) Update(ctx context.Context, agent edm.UploadAgent) (*edm.UploadAgent, error) {
	return a.item(ctx, call{op: "update upload agent", method: http.MethodPatch, path: []string{agentsPath, agent.ID},
		body: map[string]string{"description": agent.Description}}, agentWithID(agent.ID))
}

func (a agents) Delete(ctx context.Context, id string) error {
	return remove(ctx, a.c, "delete upload agent", agentsPath, id)
}

type stores struct{ c *Client }

// item gets, changes or makes one data store. An answer about another one is
// somebody else's: a proxy can mix answers up.
func (s stores) item(ctx context.Context, k call, is func(*edm.DataStore) bool) (*edm.DataStore, error) {
	got := &edm.DataStore{}
	k.out = got
	k.asked = func() bool { return got.ID != "" && is(got) }
	if _, err := s.c.do(ctx, k); err != nil {
		return nil, err
	}
	return got, nil
}

func withID(id string) func(*edm.DataStore) bool {
	return func(got *edm.DataStore) bool { return got.ID == id }
}

func (s stores) Create(ctx context.Context, store edm.DataStore, requestID string) (*edm.DataStore, error) {
	store.ODataType = edm.TypeDataStore
	k := call{op: "create data store", method: http.MethodPost, path: []string{storesPath}, body: store, requestID: requestID, once: true, status: http.StatusCreated}
	return s.item(ctx, k, func(got *edm.DataStore) bool { return got.DisplayName == store.DisplayName })
}

func (s stores) Get(ctx context.Context, id string) (*edm.DataStore, error) {
	return s.item(ctx, call{op: "get data store", method: http.MethodGet, path: []string{storesPath, id}}, withID(id))
}

func (s stores) List(ctx context.Context, q edm.Query) ([]edm.DataStore, error) {
	return list[edm.DataStore](ctx, s.c, "list data stores", q, storesPath)
}

func (s stores) Update(ctx context.Context, store edm.DataStore) (*edm.DataStore, error) {
	body := map[string]any{"description": store.Description, "columns": store.Columns}
	if store.Owner != nil {
		body["owner"] = store.Owner
	}
	return s.item(ctx, call{op: "update data store", method: http.MethodPatch, path: []string{storesPath, store.ID}, body: body}, withID(store.ID))
}

func (s stores) Delete(ctx context.Context, id string) error {
	return remove(ctx, s.c, "delete data store", storesPath, id)
}

// judged is a call that was judged against a generation of the live table, nil for
// none.
func (k call) judged(generation *int64) call {
	if generation != nil {
		k.ifMatch = edm.LiveTag(*generation)
	}
	return k
}

func (s stores) Rollback(ctx context.Context, id string, judged *int64) (*edm.DataStore, error) {
	k := call{op: "roll back data store", method: http.MethodPost, path: []string{storesPath, id, "rollback"}, once: true}
	return s.item(ctx, k.judged(judged), withID(id))
}

func (s stores) Purge(ctx context.Context, id string) error {
	_, err := s.c.do(ctx, call{op: "purge data store", method: http.MethodPost, path: []string{storesPath, id, "purge"}, status: http.StatusNoContent})
	return err
}

func (s stores) Lookup(ctx context.Context, id string, r edm.LookupRequest) ([]string, error) {
	var out page[string]
	_, err := s.c.do(ctx, out.of(call{op: "look up", method: http.MethodPost, path: []string{storesPath, id, "lookup"}, body: r}))
	return out.Value, err
}

func (s stores) Match(ctx context.Context, id string, r edm.MatchRequest) (*edm.MatchResponse, error) {
	got := &edm.MatchResponse{}
	_, err := s.c.do(ctx, call{op: "match", method: http.MethodPost, path: []string{storesPath, id, "match"}, body: r, out: got,
		secrets: tokensOf(r), asked: func() bool { return answers(got, r) }})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// answers reports whether got can be the answer to a match. Whatever table answers
// has a generation and a session: without them a "no" is nobody's. So is one
// without an answer to each question, or with more rows than were asked for.
func answers(got *edm.MatchResponse, r edm.MatchRequest) bool {
	if got.Generation < 1 || got.SessionID == "" || len(got.Answers) != len(r.Questions) {
		return false
	}
	for i, one := range got.Answers {
		most := int64(cmp.Or(r.Questions[i].Limit, edm.DefaultLimit))
		if one.Total < 0 || int64(len(one.Rows)) != min(one.Total, most) || !answersRows(one.Rows, r.Questions[i].SameRow) {
			return false
		}
	}
	return true
}

// answersRows reports whether each row matches tokens that were asked for.
func answersRows(rows []edm.MatchRow, asked map[string][]string) bool {
	for _, row := range rows {
		for name, at := range row.Matched {
			if at < 0 || at >= len(asked[name]) {
				return false
			}
		}
	}
	return true
}

// tokensOf are the tokens of a match, which a refusal may repeat.
func tokensOf(r edm.MatchRequest) []string {
	var out []string
	for _, q := range r.Questions {
		out = append(out, q.Token)
		for _, tokens := range q.SameRow {
			out = append(out, tokens...)
		}
	}
	return out
}

type sessions struct{ c *Client }

// wireSession reads both shapes that the resource has had: dataStoreId and
// datastoreId, a bare entity and one under "value".
type wireSession struct{ edm.Session }

func (w *wireSession) UnmarshalJSON(text []byte) error {
	var wrapped struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(text, &wrapped); err != nil {
		return err
	}
	if len(wrapped.Value) > 0 {
		text = wrapped.Value
	}
	w.Session = edm.Session{} // of a repeated call nothing stays
	// encoding/json matches names without regard to case, which covers datastoreId.
	return json.Unmarshal(text, &w.Session)
}

// item reads one session of the store that the call names. An answer that is
// another's, by its id, its store or what is asked of it, is not this API's: a
// proxy can mix answers up, and taken as it is, it would make us forget our own.
func (s sessions) item(ctx context.Context, k call, is func(*edm.Session) bool) (*edm.Session, error) {
	got := &wireSession{}
	k.out = got
	k.asked = func() bool {
		return got.ID != "" && got.State != "" && ofStore(&got.Session, k.path[1]) && is(&got.Session)
	}
	if _, err := s.c.do(ctx, k); err != nil {
		return nil, err
	}
	return &got.Session, nil
}

// ofStore reports whether a session is of a store; one that does not say it, as
// under $select, is.
func ofStore(one *edm.Session, store string) bool {
	return one.DataStoreID == "" || one.DataStoreID == store
}

func sessionWithID(id string) func(*edm.Session) bool {
	return func(got *edm.Session) bool { return got.ID == id }
}

// madeFrom reports whether a session can be what a create asked for.
func madeFrom(asked edm.Session) func(*edm.Session) bool {
	same := func(got, sent string) bool { return got == "" || got == sent }
	return func(got *edm.Session) bool {
		return same(got.UploadAgentID, asked.UploadAgentID) && same(got.ContentKey, asked.ContentKey) &&
			same(got.Checksum, asked.Checksum) && same(got.KeyID, asked.KeyID)
	}
}

func sessionPath(storeID string, rest ...string) []string {
	return append([]string{storesPath, storeID, "sessions"}, rest...)
}

func (s sessions) Create(ctx context.Context, storeID string, session edm.Session, requestID string) (*edm.Session, error) {
	session.ODataType = edm.TypeSession
	return s.item(ctx, call{op: "create session", method: http.MethodPost, path: sessionPath(storeID), body: session, requestID: requestID, once: true, status: http.StatusCreated}, madeFrom(session))
}

func (s sessions) Get(ctx context.Context, storeID, id string) (*edm.Session, error) {
	return s.item(ctx, call{op: "get session", method: http.MethodGet, path: sessionPath(storeID, id)}, sessionWithID(id))
}

func (s sessions) List(ctx context.Context, storeID string, q edm.Query) ([]edm.Session, error) {
	all, err := list[wireSession](ctx, s.c, "list sessions", q, sessionPath(storeID)...)
	out := make([]edm.Session, 0, len(all))
	for _, one := range all {
		if !ofStore(&one.Session, storeID) {
			return nil, &edm.Error{Op: "list sessions", Class: edm.Transient, Err: errForeign}
		}
		out = append(out, one.Session)
	}
	return out, err
}

func (s sessions) Update(ctx context.Context, storeID, id, fileName string) (*edm.Session, error) {
	return s.item(ctx, call{op: "update session", method: http.MethodPatch, path: sessionPath(storeID, id), body: map[string]string{"fileName": fileName}}, sessionWithID(id))
}

func (s sessions) Commit(ctx context.Context, storeID, id string, judged *int64) error {
	k := call{op: "commit session", method: http.MethodPost, path: sessionPath(storeID, id, "commit"), once: true, status: http.StatusNoContent}
	_, err := s.c.do(ctx, k.judged(judged))
	return err
}

func (s sessions) Cancel(ctx context.Context, storeID, id string) error {
	_, err := s.c.do(ctx, call{op: "cancel session", method: http.MethodPost, path: sessionPath(storeID, id, "cancel"), once: true, status: http.StatusNoContent})
	return err
}

func (s sessions) Renew(ctx context.Context, storeID, id string) (*edm.Session, error) {
	return s.item(ctx, call{op: "renew session", method: http.MethodPost, path: sessionPath(storeID, id, "renew")}, sessionWithID(id))
}

func (s sessions) Delete(ctx context.Context, storeID, id string) error {
	return remove(ctx, s.c, "delete session", sessionPath(storeID, id)...)
}
