package service

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

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

// getBlockList answers the list that a session was sealed with as it was put, and the
// other staged blocks in the order of their ids.
func (s *Service) getBlockList(w http.ResponseWriter, one *records.Session, kind string) error {
	committed, uncommitted := s.committed(one), s.uncommitted(one)
	if len(committed)+len(uncommitted) == 0 {
		return fail(http.StatusNotFound, "BlobNotFound", "nothing is staged")
	}
	var out xmlBlockList
	switch kind {
	case "", "committed":
		out.CommittedBlocks = &xmlBlocks{committed}
	case "uncommitted":
		out.UncommittedBlocks = &xmlBlocks{uncommitted}
	case "all":
		out.CommittedBlocks, out.UncommittedBlocks = &xmlBlocks{committed}, &xmlBlocks{uncommitted}
	default:
		return fail(http.StatusBadRequest, "InvalidQueryParameterValue", "blocklisttype must be all, committed or uncommitted")
	}
	if len(committed) > 0 {
		showBlob(w.Header(), one)
		w.Header().Set("x-ms-blob-content-length", strconv.FormatInt(sizeOf(committed), 10))
	}
	writeXML(w, http.StatusOK, out)
	return nil
}

// getProperties answers what a sealed blob is.
func (s *Service) getProperties(w http.ResponseWriter, r *http.Request, one *records.Session) error {
	asked, err := blobConditionsOf(r)
	if err != nil {
		return err
	}
	committed := s.committed(one)
	if len(committed) == 0 {
		return fail(http.StatusNotFound, "BlobNotFound", "no list of blocks is put")
	}
	showBlob(w.Header(), one)
	if err := asked.checkRead(one); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(sizeOf(committed), 10))
	w.Header().Set("x-ms-blob-type", "BlockBlob")
	w.Header().Set("x-ms-creation-time", one.UploadCompletionDateTime.UTC().Format(http.TimeFormat))
	w.Header().Set("x-ms-server-encrypted", "false")
	w.WriteHeader(http.StatusOK)
	return nil
}

// committed are the blocks that a session was sealed with, in order.
func (s *Service) committed(one *records.Session) (out []xmlBlock) {
	for i, size := range s.blocks.Sizes(one.ID, one.Sealed) {
		out = append(out, xmlBlock{Name: one.Sealed[i], Size: size})
	}
	return out
}

// uncommitted are the other blocks that are staged, in the order of their ids.
func (s *Service) uncommitted(one *records.Session) (out []xmlBlock) {
	sealed := map[string]bool{}
	for _, id := range one.Sealed {
		sealed[id] = true
	}
	for _, b := range s.blocks.List(one.ID) {
		if !sealed[b.ID] {
			out = append(out, xmlBlock{Name: b.ID, Size: b.Size})
		}
	}
	return out
}

func sizeOf(blocks []xmlBlock) (size int64) {
	for _, b := range blocks {
		size += b.Size
	}
	return size
}

// sentList is a block list as a client puts it: the order of its elements counts,
// whatever each is called.
type sentList struct {
	XMLName xml.Name `xml:"BlockList"`
	Blocks  []struct {
		XMLName xml.Name
		ID      string `xml:",chardata"`
	} `xml:",any"`
}

// readList reads a block list, and compares it with the sums that it may carry.
func (s *Service) readList(r *http.Request, body io.Reader) (ids []string, sum uint64, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(nil, io.NopCloser(body), maxBlockList))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, 0, fail(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "a block list has at most %d bytes and %d blocks", maxBlockList, maxBlocks)
	case err != nil:
		return nil, 0, s.cutOff(err)
	}
	if sum, err = checkSums(r, text); err != nil {
		return nil, 0, err
	}
	var list sentList
	if err := xml.Unmarshal(text, &list); err != nil {
		return nil, 0, notAList()
	}
	for _, one := range list.Blocks {
		if !slices.Contains([]string{"Latest", "Uncommitted", "Committed"}, one.XMLName.Local) {
			return nil, 0, notAList()
		}
		ids = append(ids, strings.TrimSpace(one.ID))
	}
	return ids, sum, nil
}

func notAList() *failure {
	return fail(http.StatusBadRequest, "InvalidXmlDocument", "the block list is not valid XML of this protocol")
}

// putBlockList seals: every index once, in order, and every block there.
func (s *Service) putBlockList(w http.ResponseWriter, r *http.Request, one *records.Session) error {
	asked, err := blobConditionsOf(r)
	if err != nil {
		return err
	}
	body, err := s.receive(w, r, one, listMemory)
	if err != nil {
		return err
	}
	defer body.release()
	ids, sum, err := s.readList(r, body)
	if err != nil {
		return err
	}
	if len(ids) != int(*one.TotalBlockCount) {
		return fail(http.StatusBadRequest, "InvalidBlockList", "the list has %d blocks and the session %d", len(ids), *one.TotalBlockCount)
	}
	for i, id := range ids {
		if index, _, err := block.ParseID(id); err != nil || index != i || !s.blocks.Has(one.ID, id) {
			return notStaged(i)
		}
	}
	sealed, err := s.seal(r.Context(), one, ids, asked)
	if err != nil {
		return err
	}
	showBlob(w.Header(), sealed)
	w.Header().Set("x-ms-content-crc64", crcHeader(sum))
	w.Header().Set("x-ms-request-server-encrypted", "false")
	w.WriteHeader(http.StatusCreated)
	return nil
}

func notStaged(index int) *failure {
	return fail(http.StatusBadRequest, "InvalidBlockList", "block %d of the list is not staged", index)
}

// seal writes the list of a session's blocks down, under the conditions that were asked.
func (s *Service) seal(ctx context.Context, of *records.Session, ids []string, asked blobConditions) (*records.Session, error) {
	said, err := s.said(ctx, of, ids)
	if err != nil {
		return nil, err
	}
	sealed, err := records.Change(ctx, s.records.Of(of.Tenant), records.Tx.Sessions, of.ID, func(tx records.Tx, one *records.Session) error {
		if !one.Unfinished() {
			return fail(http.StatusConflict, "BlobImmutableDueToPolicy", "a session in state %s takes no blocks", one.State)
		}
		if err := errors.Join(asked.checkWrite(one), learn(tx, one, said)); err != nil {
			return err
		}
		now, none := s.now(), int32(0)
		one.Sealed, one.State, one.RemainingBlockCount = ids, edm.StateUploadCompleted, &none
		one.UploadCompletionDateTime, one.LastUpdatedDateTime = &now, &now
		return nil
	})
	if err == nil {
		s.logIn(ctx, of.Tenant).Info("audit", "verb", "seal", "kind", "session", "id", of.ID, "blocks", len(ids))
	}
	return sealed, err
}
