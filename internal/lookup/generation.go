package lookup

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"exactmatch.dev/operator/internal/edm"
)

// maxOpened bounds how often the store is read, since its live table may be
// replaced again and again.
const maxOpened = 4

var errRestless = errors.New("the live table is replaced too often to be asked: ask again later")

// ask asks for a batch of values under the rules of the live table, of the one
// that comes meanwhile too, unless an answer was given before. It is safe for
// concurrent use.
func (a *Asker) ask(ctx context.Context, values []Value) outcome {
	for {
		under, tokens, bad := a.hash(values)
		if len(tokens) == 0 {
			return outcome{values: values, err: bad}
		}
		got := a.match(ctx, under, values[:len(tokens)], tokens)
		if got.err == nil {
			got.values, got.err = values, bad
			return got
		}
		if !edm.HasCode(got.err, edm.CodeRulesMismatch) { // a table of the same rules that came meanwhile answers as well
			return outcome{values: values, err: got.err}
		}
		if err := a.reopen(ctx, under, got); err != nil {
			return outcome{values: values, err: err}
		}
	}
}

// hash makes the tokens of values under the rules of now, up to the first value
// that can have none.
func (a *Asker) hash(values []Value) (under *rules, tokens []string, bad error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range values {
		token, err := tokenOf(a.under.hasher, v.Text)
		if err != nil {
			return a.under, tokens, &ValueError{v.Number, err}
		}
		tokens = append(tokens, token)
	}
	return a.under, tokens, nil
}

// reopen reads the store again, once for all that were asked under the same
// rules. It fails where that cannot help.
func (a *Asker) reopen(ctx context.Context, was *rules, got outcome) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.under != was {
		return nil
	}
	now, err := was, a.stale
	if err == nil {
		now, err = a.open(ctx)
	}
	if err == nil {
		a.stale = a.useless(was, now, got.err)
		err = a.stale
	}
	if err != nil {
		return &ValueError{got.values[0].Number, err}
	}
	a.under = now
	return nil
}

// useless says why questions cannot be asked again under the rules of now: an
// answer of another table was given, the rules are the same that were refused, or
// the table has been replaced too often.
func (a *Asker) useless(was, now *rules, refused error) error {
	var of *ValueError
	switch {
	case a.given != 0 && now.generation != a.given:
		return a.changed(now.generation)
	case errors.As(refused, &of) && now.generation == was.generation && maps.Equal(now.request.RulesIDs, was.request.RulesIDs):
		return of.Err
	case a.opened == maxOpened:
		return errRestless
	}
	return nil
}

// give makes the answers of a batch those of the generation that the first one
// was of. A batch that came too early is asked for again.
func (a *Asker) give(ctx context.Context, got outcome) outcome {
	if len(got.found) == 0 || a.pins(got.generation) {
		return got
	}
	got = a.ask(ctx, got.values)
	if len(got.found) > 0 && !a.pins(got.generation) {
		return outcome{err: &ValueError{got.values[0].Number, a.changed(got.generation)}}
	}
	return got
}

// pins reports whether answers of a generation may be given.
func (a *Asker) pins(generation int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given == 0 {
		a.given = generation
	}
	return a.given == generation
}

// changed says that answers would be of two tables.
func (a *Asker) changed(generation int64) error {
	return fmt.Errorf("the live table was replaced while values were asked for (generation %d, then %d): the answers that were given are of the first; ask for all values again", a.given, generation)
}
