package scan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/live"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/simd"
)

// inFlight is how many matches are asked at once.
const inFlight = 4

// table is the live table that is asked, under its own rules.
type table struct {
	stores   edm.Stores
	storeID  string
	name     string
	live     edm.Live
	columns  []column
	request  edm.MatchRequest // without its questions
	known    known
	spans    []simd.Span // room to work in
	reserved []byte
}

type column struct {
	edm.Column
	hasher *fingerprint.Hasher
}

var errReplaced = errors.New("the live table was replaced during the scan: what was printed is of the one before; scan again")

// openTable reads which table of the store is live, and its rules.
func openTable(ctx context.Context, stores edm.Stores, secret []byte, name string) (*table, error) {
	store, err := live.StoreNamed(ctx, stores, name)
	if err != nil {
		return nil, err
	}
	key, err := fingerprint.NewKey(secret)
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	if store.Live == nil || len(store.Live.Columns) == 0 {
		return nil, fmt.Errorf("data store %q has no live table that a scan can be made against: complete a session first", name)
	}
	t := &table{stores: stores, storeID: store.ID, name: name, live: *store.Live}
	t.request = edm.MatchRequest{KeyID: key.ID(name).String(), RulesIDs: map[string]string{}}
	for _, c := range store.Live.Columns {
		hasher, err := key.Hasher(name, schema.Column{Name: c.Name, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
		if err != nil {
			return nil, err
		}
		t.columns = append(t.columns, column{c, hasher})
		t.request.RulesIDs[c.Name] = edm.RulesOf(c)
	}
	if t.request.KeyID != t.live.KeyID {
		return nil, fmt.Errorf("--key-file has the key %s, and the live table of data store %q was hashed under %s", t.request.KeyID, name, t.live.KeyID)
	}
	return t, nil
}

// columnNamed finds the column that a flag names.
func (t *table) columnNamed(flag, name string) (int, error) {
	c := slices.IndexFunc(t.columns, func(c column) bool { return c.Name == name })
	if c < 0 {
		return 0, fmt.Errorf("%s: the live table of data store %q has no column %q; it has %s", flag, t.name, name, live.ColumnNames(t.live.Columns))
	}
	return c, nil
}

// match asks questions of the one live table.
func (t *table) match(ctx context.Context, questions []edm.MatchQuestion) ([]edm.MatchAnswer, error) {
	request := t.request
	request.Questions = questions
	got, err := live.Match(ctx, t.stores, t.storeID, request, slog.Int("questions", len(questions)))
	switch {
	case edm.HasCode(err, edm.CodeRulesMismatch), err == nil && got.Generation != t.live.Generation:
		return nil, errReplaced
	case err != nil:
		return nil, err
	}
	return got.Answers, nil
}

// tokens hashes candidates under the rules of a column: 16 bytes each, all zero
// where nothing is left of one. The next call overwrites them.
func (t *table) tokens(c int, text []byte, candidates []candidate) tokens {
	t.spans = t.spans[:0]
	for i := range candidates {
		t.spans = append(t.spans, candidates[i].Span)
	}
	if size := len(candidates) * fingerprint.TokenSize; size > cap(t.reserved) {
		t.reserved = make([]byte, size+size/2)
	}
	out := t.reserved[:len(candidates)*fingerprint.TokenSize]
	t.columns[c].hasher.Tokens(out, text, t.spans)
	return out
}

// tokens are some of one column, one behind the other.
type tokens []byte

func (t tokens) at(i int) fingerprint.Token {
	return fingerprint.Token(t[i*fingerprint.TokenSize:])
}

func (t tokens) count() int { return len(t) / fingerprint.TokenSize }

// hits are those of the tokens that rows hold, and how many rows do. Each token is
// asked for once, as far as that is remembered.
func (t *table) hits(ctx context.Context, c int, all tokens) (map[fingerprint.Token]int64, error) {
	hits := map[fingerprint.Token]int64{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	var asked [][]fingerprint.Token
	var found [][]int64
	var next []fingerprint.Token
	ask := func() {
		batch, totals := next, make([]int64, len(next))
		asked, found, next = append(asked, batch), append(found, totals), nil
		group.Go(func() error { return t.totals(ctx, c, batch, totals) })
	}
	for i := range all.count() {
		token := all.at(i)
		total, isKnown := t.known.get(token)
		switch {
		case token == fingerprint.Token{}:
		case isKnown && total > 0:
			hits[token] = total
		case !isKnown:
			t.known.put(token, 0) // unless the answer says more
			if next = append(next, token); len(next) == edm.MaxQuestions {
				ask()
			}
		}
	}
	if len(next) > 0 {
		ask()
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, batch := range asked {
		for j, token := range batch {
			if total := found[i][j]; total > 0 {
				hits[token] = total
				t.known.put(token, total)
			}
		}
	}
	return hits, nil
}

// totals asks how many rows hold each of the tokens.
func (t *table) totals(ctx context.Context, c int, batch []fingerprint.Token, totals []int64) error {
	questions := make([]edm.MatchQuestion, len(batch))
	for i := range batch {
		questions[i] = edm.MatchQuestion{Column: t.columns[c].Name, Token: textOf(batch[i]), Limit: 1}
	}
	answers, err := t.match(ctx, questions)
	for i := range answers {
		totals[i] = answers[i].Total
	}
	return err
}

// maxKnown is how many tokens are remembered, at least.
const maxKnown = 1 << 18

// known is how many rows hold the tokens that were asked for lately.
type known struct{ now, before map[fingerprint.Token]int64 }

func (k *known) get(token fingerprint.Token) (int64, bool) {
	if total, ok := k.now[token]; ok {
		return total, true
	}
	total, ok := k.before[token]
	return total, ok
}

func (k *known) put(token fingerprint.Token, total int64) {
	if k.now == nil || len(k.now) >= maxKnown {
		k.now, k.before = make(map[fingerprint.Token]int64), k.now
	}
	k.now[token] = total
}
