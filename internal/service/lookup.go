package service

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

const (
	maxValues = 1000
	maxFound  = 1000
)

// ask runs f on the live table of the request's data store, which stays the
// same until f returns, after it made sure that the caller has the same key.
func (s *Service) ask(r *http.Request, keyID string, f func(*view) (*answer, error)) (out *answer, err error) {
	store, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.DataStores, r.PathValue("store"))
	if err != nil {
		return nil, err
	}
	t, err := s.tables.Acquire(store.ID)
	if err != nil {
		return nil, damagedTable(store.DisplayName)
	}
	if t == nil {
		return nil, unprocessable(edm.CodeNoLiveTable, "the data store %q has no table yet: complete a session first", store.DisplayName)
	}
	defer s.tables.Release(t)
	if t.Broken() {
		return nil, damagedTable(store.DisplayName)
	}
	if _, err := fingerprint.ParseKeyID(keyID); err != nil {
		return nil, unprocessable(edm.CodeUnprocessable, "the key id: %s", err.Error())
	}
	if keyID != t.KeyID {
		return nil, unprocessable(edm.CodeKeyMismatch, "the lookup's key is %s and the live table's is %s: use the key that the table was hashed under", keyID, t.KeyID)
	}
	if !t.Ruled() {
		return nil, unprocessable(edm.CodeRulesMismatch, "the live table was indexed by an earlier version, which did not keep the rules of its tokens: upload the table again")
	}
	out, err = f(&view{t, store.Columns})
	var bad *index.Damaged
	if errors.As(err, &bad) {
		t.Break()
		s.log(r.Context()).Error("the live table is damaged: upload it again", "store", store.ID, "session", t.SessionID, "error", bad)
		return nil, damagedTable(store.DisplayName)
	}
	return out, err
}

// damagedTable is the answer of a lookup that nothing can be said to.
func damagedTable(store string) *failure {
	return fail(http.StatusInternalServerError, edm.CodeTableDamaged, "the live table of the data store %q is damaged: upload the table again", store)
}

// parseToken reads 16 bytes of base64.
func parseToken(where, text string) (fingerprint.Token, error) {
	token, is := base64Token([]byte(text))
	if !is {
		return token, noToken(where)
	}
	return token, nil
}

func noToken(where string) error {
	return unprocessable(edm.CodeUnprocessable, "%s is not a token: it must be 16 bytes in base64", where)
}

var strictBase64 = base64.StdEncoding.Strict()

// base64Token reads 16 bytes of base64.
func base64Token(text []byte) (token fingerprint.Token, is bool) {
	var room [fingerprint.TokenSize + 2]byte
	if len(text) != tokenText {
		return token, false
	}
	n, err := strictBase64.Decode(room[:], text)
	return fingerprint.Token(room[:]), err == nil && n == fingerprint.TokenSize
}

// tokenText is the characters of a token in base64.
const tokenText = 24

// lookup is Graph's action: every value is searched in every searchable column,
// and each row found is one string, the JSON of its number and the tokens asked
// for, at most maxFound in all.
func (s *Service) lookup(r *http.Request) (*answer, error) {
	var q edm.LookupRequest
	if err := decodeQuestions(r, &q); err != nil {
		return nil, err
	}
	if len(q.Values) == 0 || len(q.Values) > maxValues {
		return nil, unprocessable(edm.CodeUnprocessable, "values must have 1 to %d tokens", maxValues)
	}
	if len(q.ResultColumnNames) > block.MaxColumns {
		return nil, unprocessable(edm.CodeUnprocessable, "resultColumnNames has %d entries and must have at most %d", len(q.ResultColumnNames), block.MaxColumns)
	}
	if err := mayReadTokens(r, q.ResultColumnNames); err != nil {
		return nil, err
	}
	if err := s.question(r, len(q.Values)); err != nil {
		return nil, err
	}
	return s.ask(r, q.Key, func(t *view) (*answer, error) {
		results := make([]int, 0, len(q.ResultColumnNames))
		for _, name := range q.ResultColumnNames {
			c, err := t.columnOf(name)
			if err != nil {
				return nil, err
			}
			results = append(results, c)
		}
		for _, c := range slices.Concat(t.searched(), results) {
			if err := t.checkPresent(c); err != nil {
				return nil, err
			}
		}
		tokens, err := parseTokens(q.Values)
		if err != nil {
			return nil, err
		}
		found, err := t.Find(tokens, maxFound)
		if err != nil {
			return nil, err
		}
		s.found(r, len(found))
		lines := make([]string, 0, len(found))
		for _, row := range found {
			line, err := t.line(row, results)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		}
		return ok(map[string]any{"value": lines})
	})
}

// parseTokens reads the values of a lookup.
func parseTokens(values []string) ([]fingerprint.Token, error) {
	tokens := make([]fingerprint.Token, 0, len(values))
	for _, value := range values {
		token, err := parseToken("a value", value)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// line is a row that was found: its number and the tokens asked for, in JSON.
func (v *view) line(row int64, columns []int) (string, error) {
	out := map[string]any{"row": row}
	for _, c := range columns {
		token, err := v.Token(c, row)
		if err != nil {
			return "", err
		}
		out[v.Columns[c].Name] = base64.StdEncoding.EncodeToString(token[:])
	}
	text, err := json.Marshal(out)
	return string(text), err
}
