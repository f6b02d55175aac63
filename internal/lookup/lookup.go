// Package lookup asks a data store whether it holds plain values. The values
// and the key stay here: only tokens and the key's id are sent.
package lookup

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/transfer"
)

// Query is what is asked. Store is the data store's displayName, Column one of
// its searchable columns; SameRow holds plain values by column that are compared
// within the rows found. Limit bounds the rows of each value, 0 for the service's.
type Query struct {
	Key     []byte
	Store   string
	Column  string
	Values  []string
	SameRow map[string]string
	Limit   int
}

// Found is the answer for one value, which is named by its position from 1.
// Total counts all rows that hold it.
type Found struct {
	Value      int            `json:"value"`
	Total      int64          `json:"total"`
	Generation int64          `json:"generation,omitempty"`
	SessionID  string         `json:"sessionId,omitempty"`
	Rows       []edm.MatchRow `json:"rows"`
}

// Ask hashes the values as the store's columns would hold them and asks for
// each. Errors name the flag or column that is wrong, never a value.
func Ask(ctx context.Context, stores edm.Stores, q Query) ([]Found, error) {
	store, err := storeNamed(ctx, stores, q.Store)
	if err != nil {
		return nil, err
	}
	keyID, err := transfer.KeyID(q.Key, store.DisplayName)
	if err != nil {
		return nil, err
	}
	same := map[string]string{}
	for name, value := range q.SameRow {
		tokens, err := tokensOf(q.Key, store, name, []string{value})
		if err != nil {
			return nil, err
		}
		same[name] = tokens[0]
	}
	tokens, err := tokensOf(q.Key, store, q.Column, q.Values)
	if err != nil {
		return nil, err
	}
	found := make([]Found, 0, len(tokens))
	for i, token := range tokens {
		got, err := stores.Match(ctx, store.ID, edm.MatchRequest{KeyID: keyID, Column: q.Column, Token: token, SameRow: same, Limit: q.Limit})
		if err != nil {
			return nil, err
		}
		found = append(found, Found{Value: i + 1, Total: got.Total, Generation: got.Generation, SessionID: got.SessionID, Rows: got.Rows})
	}
	return found, nil
}

// storeNamed finds a store by its displayName.
func storeNamed(ctx context.Context, stores edm.Stores, name string) (*edm.DataStore, error) {
	all, err := stores.List(ctx, edm.Query{})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for i := range all {
		if all[i].DisplayName == name {
			return &all[i], nil
		}
		names = append(names, all[i].DisplayName)
	}
	if len(names) == 0 {
		return nil, errors.New("the service has no data store yet")
	}
	slices.Sort(names)
	return nil, fmt.Errorf("the service has no data store with the displayName %q; it has %s", name, strings.Join(names, ", "))
}

// tokensOf hashes values under a column's rules, in base64.
func tokensOf(key []byte, store *edm.DataStore, column string, values []string) ([]string, error) {
	at := slices.IndexFunc(store.Columns, func(c edm.Column) bool { return c.Name == column })
	if at < 0 {
		names := make([]string, 0, len(store.Columns))
		for _, c := range store.Columns {
			names = append(names, c.Name)
		}
		return nil, fmt.Errorf("data store %q has no column %q; it has %s", store.DisplayName, column, strings.Join(names, ", "))
	}
	c := store.Columns[at]
	tokens, err := transfer.Tokens(key, store.DisplayName,
		transfer.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters}, values)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(tokens))
	for _, token := range tokens {
		out = append(out, base64.StdEncoding.EncodeToString(token[:]))
	}
	return out, nil
}

// WriteTable prints one line per row found, and one for a value that is nowhere.
func WriteTable(w io.Writer, found []Found) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	_, _ = fmt.Fprintln(t, "VALUE\tFOUND\tROW\tSAME ROW") // errors come from Flush
	for _, f := range found {
		if f.Total == 0 {
			_, _ = fmt.Fprintf(t, "%d\tno\t-\t-\n", f.Value)
		}
		for _, row := range f.Rows {
			matched := strings.Join(row.Matched, ",")
			if matched == "" {
				matched = "-"
			}
			_, _ = fmt.Fprintf(t, "%d\tyes\t%d\t%s\n", f.Value, row.Row, matched)
		}
		if more := f.Total - int64(len(f.Rows)); f.Total > 0 && more > 0 {
			_, _ = fmt.Fprintf(t, "%d\tyes\t%d more\t\n", f.Value, more)
		}
	}
	return t.Flush()
}

// WriteJSON prints the answers as one JSON array.
func WriteJSON(w io.Writer, found []Found) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(found)
}
