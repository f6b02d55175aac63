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

// ask asks for a value under the rules of the live table, of the one that comes
// meanwhile too, unless an answer was given before. It is safe for concurrent use.
func (a *Asker) ask(ctx context.Context, v Value) outcome {
	for {
		under, token, err := a.hash(v)
		if err != nil {
			return outcome{value: v, err: err}
		}
		found, err := a.match(ctx, under, v.Number, token)
		if !edm.HasCode(err, edm.CodeRulesMismatch) { // a table of the same rules that came meanwhile answers as well
			return outcome{v, found, err}
		}
		if err := a.reopen(ctx, under, outcome{v, found, err}); err != nil {
			return outcome{value: v, err: err}
		}
	}
}

// hash makes the token of a value under the rules of now.
func (a *Asker) hash(v Value) (*rules, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, err := tokenOf(a.under.hasher, v.Text)
	if err != nil {
		return nil, "", &ValueError{v.Number, err}
	}
	return a.under, token, nil
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
		return &ValueError{got.value.Number, err}
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

// give makes an answer one of the generation that the first one was of. One that
// came too early is asked for again.
func (a *Asker) give(ctx context.Context, got outcome) (Found, error) {
	if got.err == nil && !a.pins(got.found.Generation) {
		if got = a.ask(ctx, got.value); got.err == nil && !a.pins(got.found.Generation) {
			got.err = &ValueError{got.value.Number, a.changed(got.found.Generation)}
		}
	}
	return got.found, got.err
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
