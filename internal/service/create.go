package service

import (
	"errors"
	"net/http"
	"regexp"
	"slices"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/service/index"
	"exactmatch.dev/operator/internal/service/records"
)

var (
	fileNamePattern = regexp.MustCompile(`^[A-Za-z0-9._ -]{1,128}$`)
	sumPattern      = regexp.MustCompile(`^(sha256:[0-9a-f]{64})?$`)
	contentPattern  = regexp.MustCompile(`^((content/v[0-9]{1,4}:)?sha256:[0-9a-f]{64})?$`)
)

func (s *Service) createSession(r *http.Request) (*answer, error) {
	var wanted edm.Session
	if err := decodeSession(r, &wanted); err != nil {
		return nil, err
	}
	if err := errors.Join(takeColumns(&wanted), checkSession(&wanted)); err != nil {
		return nil, err
	}
	id, storeID := uuid.NewString(), r.PathValue("store")
	request := requestOf(r, records.KindSession, id, s.now())
	if request.Key != "" {
		request.Key = storeID + "/" + request.Key // the same id may name a create of another store
	}
	made, err := records.Create(r.Context(), s.recordsOf(r), records.Tx.Sessions, request, func(tx records.Tx) (*records.Session, error) {
		store, err := tx.DataStores().Get(storeID)
		if err != nil {
			return nil, err
		}
		if err := s.throttle(store); err != nil {
			return nil, err
		}
		if err := errors.Join(checkUnfinished(tx, storeID), checkAgent(tx, wanted.UploadAgentID)); err != nil {
			return nil, err
		}
		return s.newSession(store, id, &wanted)
	})
	if err != nil {
		return nil, err
	}
	return created(s.showSession(r, made))
}

// checkAgent refuses a session of an upload agent that its tenant does not have.
func checkAgent(tx records.Tx, id string) error {
	if id == "" {
		return nil
	}
	_, err := tx.Agents().Get(id)
	if records.IsNotFound(err) {
		return naming(fail(http.StatusConflict, edm.CodeConflict, "uploadAgentId names no upload agent that exists: name one that does, or create one first"))
	}
	return err
}

// takeColumns makes the fields of a session those of its columns, where it has
// any, and refuses columns that cannot be.
func takeColumns(w *edm.Session) error {
	if len(w.Columns) == 0 {
		return nil
	}
	if fault := columnFault(w.Columns); fault != "" {
		return badValue("%s", fault)
	}
	names := namesOf(w.Columns)
	if len(w.Fields) > 0 && !slices.Equal(w.Fields, names) {
		return badValue("columns must have the names of fields in the same order; fields may be left out")
	}
	w.Fields = names
	return nil
}

// checkSession names the first field that cannot be taken.
func checkSession(w *edm.Session) error {
	switch {
	case w.RowsPerBlock == nil || *w.RowsPerBlock < 1 || *w.RowsPerBlock > block.MaxRows:
		return badValue("rowsPerBlock must be 1 to %d", block.MaxRows)
	case w.TotalBlockCount == nil || *w.TotalBlockCount < 1 || *w.TotalBlockCount > maxBlocks:
		return badValue("totalBlockCount must be 1 to %d; raise rowsPerBlock", maxBlocks)
	case checkFileName(w.FileName) != nil:
		return checkFileName(w.FileName)
	case !sumPattern.MatchString(w.Checksum):
		return badValue("checksum must be sha256: and 64 hexadecimal digits")
	case !contentPattern.MatchString(w.ContentKey):
		return badValue("contentKey must be content/v2: or another version, then sha256: and 64 hexadecimal digits")
	case int64(*w.RowsPerBlock)*int64(*w.TotalBlockCount-1) >= index.MaxRows:
		return badValue("totalBlockCount blocks of rowsPerBlock rows are more than the %d that a table may have", index.MaxRows)
	case len(w.Fields) == 0 && w.KeyID != "" || len(w.Fields) > block.MaxColumns:
		return badValue("%s", tooMany("fields", len(w.Fields), block.MaxColumns))
	case len(w.UploadAgentID) > maxRequestID:
		return badValue("uploadAgentId has %d bytes and must have at most %d", len(w.UploadAgentID), maxRequestID)
	}
	if _, err := fingerprint.ParseKeyID(w.KeyID); err != nil && w.KeyID != "" {
		return badValue("keyId: %s", err.Error())
	}
	return nil
}

func checkFileName(name string) error {
	if fileNamePattern.MatchString(name) {
		return nil
	}
	return badValue("fileName must have 1 to 128 letters, digits, dots, spaces, underscores and hyphens")
}

func (s *Service) newSession(store *records.DataStore, id string, w *edm.Session) (*records.Session, error) {
	columns, err := columnsOf(store, w)
	if err != nil {
		return nil, err
	}
	var learns *records.Learns
	if w.KeyID == "" {
		learns, columns = learnsOf(store, w)
	}
	now, remaining := s.now(), *w.TotalBlockCount
	return &records.Session{
		Session: edm.Session{
			ODataType: edm.TypeSession, ID: id, CreationDateTime: &now, StartDateTime: &now, LastUpdatedDateTime: &now,
			DataStoreID: store.ID, UploadAgentID: w.UploadAgentID, Fields: w.Fields, FileName: w.FileName, Checksum: w.Checksum,
			State: edm.StateCreated, RowsPerBlock: w.RowsPerBlock, TotalBlockCount: w.TotalBlockCount, RemainingBlockCount: &remaining,
			KeyID: w.KeyID, ContentKey: w.ContentKey, Columns: columns,
		},
		Expiry: now.Add(s.config.SessionTTL), UploadURIExpiry: s.uploadURIExpiry(), Learns: learns,
	}, nil
}
