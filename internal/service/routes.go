package service

import (
	"net/http"
	"strings"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/authn"
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
		"POST /exactMatchUploadAgents":        {s.createAgent, uploaders},
		"GET /exactMatchUploadAgents/{id}":    {s.getAgent, uploaders},
		"PATCH /exactMatchUploadAgents/{id}":  {s.updateAgent, uploaders},
		"DELETE /exactMatchUploadAgents/{id}": {s.deleteAgent, uploaders},

		"GET /exactMatchDataStores":                 {s.listStores, anybody},
		"POST /exactMatchDataStores":                {s.createStore, uploaders},
		"GET /exactMatchDataStores/{store}":         {s.getStore, anybody},
		"PATCH /exactMatchDataStores/{store}":       {s.updateStore, uploaders},
		"DELETE /exactMatchDataStores/{store}":      {s.deleteStore, uploaders},
		"POST /exactMatchDataStores/{store}/lookup": {s.lookup, readers},
		"POST /exactMatchDataStores/{store}/match":  {s.match, readers},

		"POST /exactMatchDataStores/{store}/rollback": {s.rollback, admins},
		"POST /exactMatchDataStores/{store}/purge":    {s.purge, admins},

		"GET /exactMatchDataStores/{store}/sessions":                  {s.listSessions, watchers},
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
	for pattern, to := range s.calls() {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+base+path, s.api(to))
	}
	mux.HandleFunc("/upload/{session}", s.blob)
	mux.HandleFunc("/upload/{tenant}/{session}", s.blob)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.api(route{noSuchCall, anybody}))
	return mux
}

func noSuchCall(r *http.Request) (*answer, error) {
	return nil, fail(http.StatusNotFound, edm.CodeNoSuchCall, "%s is not supported for this path", r.Method)
}
