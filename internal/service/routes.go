package service

import (
	"net/http"
	"strings"

	"exactmatch.dev/operator/internal/edm"
)

// base is where the service serves Graph's paths.
const base = "/beta/dataClassification"

func (s *Service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /exactMatchUploadAgents":         s.listAgents,
		"POST /exactMatchUploadAgents":        s.createAgent,
		"GET /exactMatchUploadAgents/{id}":    s.getAgent,
		"PATCH /exactMatchUploadAgents/{id}":  s.updateAgent,
		"DELETE /exactMatchUploadAgents/{id}": s.deleteAgent,

		"GET /exactMatchDataStores":                 s.listStores,
		"POST /exactMatchDataStores":                s.createStore,
		"GET /exactMatchDataStores/{store}":         s.getStore,
		"PATCH /exactMatchDataStores/{store}":       s.updateStore,
		"DELETE /exactMatchDataStores/{store}":      s.deleteStore,
		"POST /exactMatchDataStores/{store}/lookup": s.lookup,
		"POST /exactMatchDataStores/{store}/match":  s.match,

		"GET /exactMatchDataStores/{store}/sessions":                  s.listSessions,
		"POST /exactMatchDataStores/{store}/sessions":                 s.createSession,
		"GET /exactMatchDataStores/{store}/sessions/{id}":             s.getSession,
		"PATCH /exactMatchDataStores/{store}/sessions/{id}":           s.updateSession,
		"DELETE /exactMatchDataStores/{store}/sessions/{id}":          s.deleteSession,
		"POST /exactMatchDataStores/{store}/sessions/{id}/commit":     s.commitSession,
		"POST /exactMatchDataStores/{store}/sessions/{id}/cancel":     s.cancelSession,
		"POST /exactMatchDataStores/{store}/sessions/{id}/renew":      s.renewSession,
		"GET /exactMatchDataStores/{store}/sessions/{id}/uploadAgent": s.getSessionAgent,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+base+path, s.api(h))
	}
	mux.HandleFunc("/upload/{session}", s.blob)
	mux.HandleFunc("/upload/{tenant}/{session}", s.blob)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.api(func(r *http.Request) (*answer, error) {
		return nil, fail(http.StatusNotFound, edm.CodeNoSuchCall, "%s is not supported for this path", r.Method)
	}))
	return mux
}
