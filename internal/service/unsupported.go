package service

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// unsupportedHeaders are those of the protocol that ask for something which a caller of
// the upload URI would miss: they are refused and not ignored. An end in a hyphen stands for
// whatever follows.
var unsupportedHeaders = []string{
	"x-ms-access-tier", "x-ms-copy-source", "x-ms-copy-source-", "x-ms-encryption-", "x-ms-if-tags", "x-ms-immutability-policy-", "x-ms-lease-id",
	"x-ms-legal-hold", "x-ms-meta-", "x-ms-range", "x-ms-source-", "x-ms-structured-body", "x-ms-tags",
}

func checkSupported(r *http.Request) error {
	for _, sent := range slices.Sorted(maps.Keys(r.Header)) {
		name := strings.ToLower(sent)
		for _, unsupported := range unsupportedHeaders {
			if name == unsupported || strings.HasSuffix(unsupported, "-") && strings.HasPrefix(name, unsupported) {
				return fail(http.StatusBadRequest, "UnsupportedHeader", "%s is not supported: send the request without it", name)
			}
		}
	}
	return nil
}

func noSuchComp() *failure {
	return fail(http.StatusBadRequest, "InvalidQueryParameterValue", "comp must be block or blocklist")
}

func unsupportedVerb(method string) *failure {
	f := fail(http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "%s is not supported for an upload URI", method)
	f.allow = "GET, HEAD, PUT"
	return f
}
