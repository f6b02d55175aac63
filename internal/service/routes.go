package service

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
	"exactmatch.dev/operator/internal/service/openapi"
)

// route is a call: who answers it, and the roles of which a caller needs one. Without any
// it is refused to everybody.
type route struct {
	handle handler
	roles  []authn.Role
}

// Who may do what. No role includes another, so a call names all that may.
var (
	// uploaders bring tables.
	uploaders = []authn.Role{authn.Uploader}
	// readers ask what is live.
	readers = []authn.Role{authn.Reader}
	// admins change which table is live.
	admins = []authn.Role{authn.Admin}
	// watchers see sessions: those who bring tables, and those who roll back to one.
	watchers = []authn.Role{authn.Uploader, authn.Admin}
	// anybody has a role.
	anybody = []authn.Role{authn.Uploader, authn.Reader, authn.Admin}
)

// base is where the service serves Graph's paths.
const base = "/beta/dataClassification"

// calls are those of the contract, and who may make them.
func (s *Service) calls() map[string]route {
	return map[string]route{
		"GET /exactMatchUploadAgents":         {s.listAgents, uploaders},
		"GET /exactMatchUploadAgents/$count":  {s.listAgents, uploaders},
		"POST /exactMatchUploadAgents":        {s.createAgent, uploaders},
		"GET /exactMatchUploadAgents/{id}":    {s.getAgent, uploaders},
		"PATCH /exactMatchUploadAgents/{id}":  {s.updateAgent, uploaders},
		"DELETE /exactMatchUploadAgents/{id}": {s.deleteAgent, uploaders},

		"GET /exactMatchDataStores":                 {s.listStores, anybody},
		"GET /exactMatchDataStores/$count":          {s.listStores, anybody},
		"POST /exactMatchDataStores":                {s.createStore, uploaders},
		"GET /exactMatchDataStores/{store}":         {s.getStore, anybody},
		"PATCH /exactMatchDataStores/{store}":       {s.updateStore, uploaders},
		"DELETE /exactMatchDataStores/{store}":      {s.deleteStore, uploaders},
		"POST /exactMatchDataStores/{store}/lookup": {s.lookup, readers},
		"POST /exactMatchDataStores/{store}/match":  {s.match, readers},

		"POST /exactMatchDataStores/{store}/rollback": {s.rollback, admins},
		"POST /exactMatchDataStores/{store}/purge":    {s.purge, admins},

		"GET /exactMatchDataStores/{store}/sessions":                  {s.listSessions, watchers},
		"GET /exactMatchDataStores/{store}/sessions/$count":           {s.listSessions, watchers},
		"POST /exactMatchDataStores/{store}/sessions":                 {s.createSession, uploaders},
		"GET /exactMatchDataStores/{store}/sessions/{id}":             {s.getSession, watchers},
		"PATCH /exactMatchDataStores/{store}/sessions/{id}":           {s.updateSession, uploaders},
		"DELETE /exactMatchDataStores/{store}/sessions/{id}":          {s.deleteSession, uploaders},
		"POST /exactMatchDataStores/{store}/sessions/{id}/commit":     {s.commitSession, uploaders},
		"POST /exactMatchDataStores/{store}/sessions/{id}/cancel":     {s.cancelSession, uploaders},
		"POST /exactMatchDataStores/{store}/sessions/{id}/renew":      {s.renewSession, uploaders},
		"GET /exactMatchDataStores/{store}/sessions/{id}/uploadAgent": {s.getSessionAgent, watchers},
	}
}

func (s *Service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	others := map[string]*others{}
	calls := s.calls()
	for _, pattern := range slices.Sorted(maps.Keys(calls)) {
		to := calls[pattern]
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodGet {
			to.handle = withoutOptions(to.handle)
		}
		to.handle = judging(pattern, to.handle)
		mux.Handle(method+" "+base+path, s.api(to))
		others[path] = others[path].beside(method, to)
	}
	for path, rest := range others {
		for _, pattern := range rest.patterns(base + path) {
			mux.Handle(pattern, s.api(route{rest.refuse, rest.roles}))
		}
	}
	mux.HandleFunc("/upload/{session}", s.blob)
	mux.HandleFunc("/upload/{tenant}/{session}", s.blob)
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /openapi.json", openapi.Serve)
	mux.Handle("/", s.api(route{noSuchCall, anybody}))
	return mux
}

// healthy answers that the process does.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "0") // of HEAD too
	w.WriteHeader(http.StatusOK)
}

// others are the methods that a path does not take.
type others struct {
	takes []string
	roles []authn.Role // of those that may call it by one that it takes
}

// beside adds one that it takes.
func (o *others) beside(method string, to route) *others {
	if o == nil {
		o = &others{}
	}
	o.takes = append(o.takes, method)
	for _, role := range to.roles {
		if !slices.Contains(o.roles, role) {
			o.roles = append(o.roles, role)
		}
	}
	if method == http.MethodGet {
		o.takes = append(o.takes, http.MethodHead)
	}
	return o
}

// patterns are those of a path's other methods. A number's path is one of an item, too,
// so that its methods are to be named.
func (o *others) patterns(path string) []string {
	if !strings.HasSuffix(path, "/$count") {
		return []string{path}
	}
	return []string{"POST " + path, "PUT " + path, "PATCH " + path, "DELETE " + path, "OPTIONS " + path, "TRACE " + path}
}

func (o *others) refuse(r *http.Request) (*answer, error) {
	f := fail(http.StatusMethodNotAllowed, edm.CodeMethodNotAllowed, "%s is not supported for this path: it takes %s", r.Method, o.allow())
	f.allow = o.allow()
	return nil, f
}

func (o *others) allow() string { return strings.Join(slices.Sorted(slices.Values(o.takes)), ", ") }

func noSuchCall(r *http.Request) (*answer, error) {
	return nil, fail(http.StatusNotFound, edm.CodeNoSuchCall, "%s is not supported for this path", r.Method)
}
