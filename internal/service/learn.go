package service

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/blobs"
	"exactmatch.dev/operator/internal/service/records"
)

// A create with Graph's properties alone names no key and no rules. The blocks say of
// themselves which key and columns they have, and the seal takes that.

// learnsOf is what a session that names no key goes by, and the columns that it has
// until its seal: those that its create named with their rules, if any.
func learnsOf(store *records.DataStore, w *edm.Session) (*records.Learns, []edm.Column) {
	if len(w.Columns) > 0 {
		return &records.Learns{}, edm.WithRules(w.Columns)
	}
	return &records.Learns{Columns: edm.WithRules(store.Columns)}, nil
}

// areColumns reports whether each name is that of a column, once.
func areColumns(names []string, columns []edm.Column) bool {
	for i, name := range names {
		if columnAt(columns, name) < 0 || slices.Contains(names[:i], name) {
			return false
		}
	}
	return true
}

// said is what the blocks of a list say alike, nil where their session learns nothing
// from them.
func (s *Service) said(ctx context.Context, one *records.Session, ids []string) (*block.Header, error) {
	if one.Learns == nil {
		return nil, nil
	}
	store, err := records.Get(ctx, s.records.Of(one.Tenant), records.Tx.DataStores, one.DataStoreID)
	if err != nil {
		return nil, err
	}
	var first *block.Header
	for i, id := range ids {
		h, wrong, err := s.headerOf(ctx, one, id)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = &h
		}
		if what := cmp.Or(wrong, disagreement(first, &h), misfit(store, one, &h, i)); what != "" {
			return nil, s.unfit(ctx, one, ids, i, what)
		}
	}
	return first, nil
}

// headerOf is the header of a staged block, and what is wrong with it.
func (s *Service) headerOf(ctx context.Context, one *records.Session, id string) (h block.Header, wrong string, err error) {
	head, err := s.blocks.Head(ctx, one.ID, id, block.SizeBound(0, block.MaxColumns))
	var gone *blobs.Invalid
	if errors.As(err, &gone) {
		return h, gone.What, nil
	}
	if err != nil {
		return h, "", err
	}
	h, bad := block.DecodeHeader(head)
	if bad != nil {
		wrong = bad.Error()
	}
	return h, wrong, nil
}

// disagreement says what a block does not have as the first of its list has it.
func disagreement(first, h *block.Header) string {
	switch {
	case h.KeyID != first.KeyID:
		return "its keyId is not that of block 0"
	case !slices.Equal(h.Columns, first.Columns):
		return "its columns are not those of block 0"
	}
	return ""
}

// unfit refuses a list for one of its blocks. Where that or the first is damaged, it
// leaves the blocks that are staged, so that it is staged again.
func (s *Service) unfit(ctx context.Context, one *records.Session, ids []string, index int, what string) error {
	if err := errors.Join(s.verifyBlock(ctx, one, ids[0]), s.verifyBlock(ctx, one, ids[index])); err != nil {
		return err
	}
	if missing := s.blocks.Missing(one.ID, []string{ids[0], ids[index]}); missing >= 0 {
		return notStaged(missing * index)
	}
	return fail(http.StatusBadRequest, invalidBlockCode, "block %d: %s; stage blocks of one table under one key, and seal the list of these", index, what)
}

// learn gives a session the key and the columns that its blocks say. Rules that the
// data store changed since the create are refused: the tokens may have been made under
// either.
func learn(tx records.Tx, one *records.Session, said *block.Header) error {
	if said == nil || one.Learns == nil {
		return nil
	}
	if len(one.Learns.Columns) > 0 {
		store, err := tx.DataStores().Get(one.DataStoreID)
		if err != nil {
			return err
		}
		if one.Columns, err = learnColumns(store, one.Learns.Columns, said.Columns); err != nil {
			return err
		}
	}
	one.KeyID, one.Fields = said.KeyID.String(), slices.Clone(said.Columns)
	return nil
}

// learnColumns are the named columns of a store, whose rules are as they were at the create.
func learnColumns(store *records.DataStore, then []edm.Column, names []string) ([]edm.Column, error) {
	columns := make([]edm.Column, 0, len(names))
	for _, name := range names {
		now, was := columnAt(store.Columns, name), columnAt(then, name)
		if now < 0 || was < 0 || edm.RulesOf(store.Columns[now]) != edm.RulesOf(then[was]) {
			return nil, fail(http.StatusConflict, edm.CodeRulesMismatch,
				"the rules of the column %q changed since the session was created, and its tokens may have been made under either: cancel the session and create another, or change the rules back", name)
		}
		columns = append(columns, store.Columns[now])
	}
	return edm.WithRules(columns), nil
}
