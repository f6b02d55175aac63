package service

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"exactmatch.dev/operator/internal/edm"
)

// decodeSession reads what a caller sends of a session. It is of the data store in the
// path: another one that is named beside it is refused, whichever of its two names the
// property has, and whether there is such a store or not.
func decodeSession(r *http.Request, into any) error {
	var text json.RawMessage
	if err := decode(r, &text); err != nil {
		return err
	}
	var sent map[string]json.RawMessage
	if json.Unmarshal(text, &sent) == nil { // decode says what is wrong with any other
		if err := checkStoreNamed(sent, r.PathValue("store")); err != nil {
			return err
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return decodeAs(r, into, &sentSession{})
}

// sentSession is what a caller may send of a session. The salt of Graph's create could tell
// the key: it is kept nowhere.
type sentSession struct {
	*edm.Session
	Salt *string `json:"salt"`
}

func checkStoreNamed(sent map[string]json.RawMessage, store string) error {
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if !strings.EqualFold(name, "dataStoreId") {
			continue
		}
		var id *string
		if err := json.Unmarshal(sent[name], &id); err != nil || id != nil && *id != store {
			return naming(badRequest("%s does not name the data store of the path: leave it out, or send the session to its own data store", name))
		}
	}
	return nil
}

// naming gives a refusal the target with which its message begins.
func naming(f *failure) *failure {
	target, _, _ := strings.Cut(f.message, " ")
	f.target = strings.TrimSuffix(target, ":")
	return f
}

// badValue refuses a property that nothing can be made of.
func badValue(format string, args ...any) *failure {
	return naming(unprocessable(edm.CodeUnprocessable, format, args...))
}
