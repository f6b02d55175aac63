package service

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

const maxBlockList = 8 << 20

// The XML of a block list.
type (
	xmlBlock struct {
		Name string
		Size int64
	}
	xmlBlocks struct {
		Block []xmlBlock
	}
	xmlBlockList struct {
		XMLName           xml.Name `xml:"BlockList"`
		CommittedBlocks   *xmlBlocks
		UncommittedBlocks *xmlBlocks
	}
)

func (s *Service) getBlockList(w http.ResponseWriter, one *records.Session, kind string) error {
	staged := s.blocks.List(one.ID)
	if len(staged) == 0 {
		return fail(http.StatusNotFound, "BlobNotFound", "nothing is staged")
	}
	all := &xmlBlocks{}
	for _, b := range staged {
		all.Block = append(all.Block, xmlBlock{Name: b.ID, Size: b.Size})
	}
	out := xmlBlockList{CommittedBlocks: &xmlBlocks{}, UncommittedBlocks: &xmlBlocks{}}
	if len(one.Sealed) > 0 {
		out.CommittedBlocks = all
	} else {
		out.UncommittedBlocks = all
	}
	switch kind {
	case "committed":
		out.UncommittedBlocks = nil
	case "uncommitted":
		out.CommittedBlocks = nil
	case "", "all":
	default:
		return fail(http.StatusBadRequest, "InvalidQueryParameterValue", "blocklisttype must be all, committed or uncommitted")
	}
	writeXML(w, http.StatusOK, out)
	return nil
}

// putBlockList seals: every index once, in order, and every block there.
func (s *Service) putBlockList(w http.ResponseWriter, r *http.Request, one *records.Session) error {
	var list struct {
		Latest      []string `xml:"Latest"`
		Uncommitted []string `xml:"Uncommitted"`
		Committed   []string `xml:"Committed"`
	}
	body, err := s.receive(w, r, one, listMemory)
	if err != nil {
		return err
	}
	defer body.release()
	err = xml.NewDecoder(http.MaxBytesReader(w, io.NopCloser(body), maxBlockList)).Decode(&list)
	var tooLarge *http.MaxBytesError
	if errors.Is(err, errTooSlow) {
		return s.cutOff(err)
	}
	if errors.As(err, &tooLarge) {
		return fail(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "a block list has at most %d bytes and %d blocks", maxBlockList, maxBlocks)
	}
	if err != nil {
		return fail(http.StatusBadRequest, "InvalidXmlDocument", "the block list is not valid XML of this protocol")
	}
	ids := slices.Concat(list.Latest, list.Uncommitted, list.Committed)
	if len(ids) != int(*one.TotalBlockCount) {
		return fail(http.StatusBadRequest, "InvalidBlockList", "the list has %d blocks and the session %d", len(ids), *one.TotalBlockCount)
	}
	for i, id := range ids {
		if index, _, err := block.ParseID(id); err != nil || index != i || !s.blocks.Has(one.ID, id) {
			return notStaged(i)
		}
	}
	if err := s.seal(r.Context(), one, ids); err != nil {
		return err
	}
	w.Header().Set("ETag", strconv.Quote(one.ID))
	w.Header().Set("Last-Modified", s.now().Format(http.TimeFormat))
	w.WriteHeader(http.StatusCreated)
	return nil
}

func notStaged(index int) *failure {
	return fail(http.StatusBadRequest, "InvalidBlockList", "block %d of the list is not staged", index)
}

func (s *Service) seal(ctx context.Context, of *records.Session, ids []string) error {
	said, err := s.said(ctx, of, ids)
	if err != nil {
		return err
	}
	_, err = records.Change(ctx, s.records.Of(of.Tenant), records.Tx.Sessions, of.ID, func(tx records.Tx, one *records.Session) error {
		if !one.Unfinished() {
			return fail(http.StatusConflict, "BlobImmutableDueToPolicy", "a session in state %s takes no blocks", one.State)
		}
		if err := learn(tx, one, said); err != nil {
			return err
		}
		now, none := s.now(), int32(0)
		one.Sealed, one.State, one.RemainingBlockCount = ids, edm.StateUploadCompleted, &none
		one.UploadCompletionDateTime, one.LastUpdatedDateTime = &now, &now
		return nil
	})
	if err == nil {
		s.log(ctx).With("tenant", of.Tenant).Info("audit", "verb", "seal", "kind", "session", "id", of.ID, "blocks", len(ids))
	}
	return err
}
