package service_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/fingerprint"
)

var modelKey = fingerprint.KeyID{1, 2, 3, 4, 5, 6, 7, 8}

// fields are the columns of every table: the tokens of the first are the same in
// every edition, those of the others are the edition's own.
var fields = []string{"ID", "Mail", "City"}

func modelToken(edition, column string, row int) []byte {
	if column == "ID" {
		edition = ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", edition, column, row))
	return sum[:fingerprint.TokenSize]
}

func text64(token []byte) string { return base64.StdEncoding.EncodeToString(token) }

// edition is a table as it is uploaded. A bad one has a block whose end is found
// out by a reader of all of it.
type edition struct {
	name           string
	rows, perBlock int
	blocks         [][]byte
	ids            []string
	bad            bool
}

func newEdition(store string, rows, perBlock int, key fingerprint.KeyID) *edition {
	e := &edition{name: uuid.NewString(), rows: rows, perBlock: perBlock}
	for first := 0; first < rows; first += perBlock {
		n := min(perBlock, rows-first)
		columns := make([][]byte, len(fields))
		for c, name := range fields {
			for row := first; row < first+n; row++ {
				columns[c] = append(columns[c], modelToken(e.name, name, row)...)
			}
		}
		data, err := block.Append(nil, block.Header{
			Rules: fingerprint.Rules, KeyID: key, Store: store, Index: len(e.blocks), FirstRow: int64(first), Rows: n, Columns: fields,
		}, columns)
		if err != nil {
			panic(err) // of the test's own making
		}
		e.blocks = append(e.blocks, data)
		e.ids = append(e.ids, block.ID(len(e.ids), block.Sum(data)))
	}
	return e
}

// spoil makes an edition a bad one.
func (e *edition) spoil() {
	last := len(e.blocks) - 1
	e.bad, e.blocks[last] = true, append(e.blocks[last], 0)
	e.ids[last] = block.ID(last, block.Sum(e.blocks[last]))
}

// modelSession is what the model knows of a session. order counts a store's commits
// from 1; done says that its end was seen.
type modelSession struct {
	id, name, requestID, uri string
	*edition
	staged    map[string]bool
	sealed    bool
	cancelled bool
	order     int
	done      bool
	deleted   bool

	own     bool         // the create carries columns
	columns []edm.Column // own ones, else the store's at the create
	judged  *judged      // the commit
}

func (m *modelSession) unfinished() bool { return !m.cancelled && m.order == 0 }

// modelStore is what the model knows of a data store. A table of an order below floor
// is live no more. Of unsure commits nobody knows whether they had succeeded when
// their sessions were deleted; kept are those that had.
type modelStore struct {
	id, name, requestID string
	sessions            []*modelSession
	commits, floor      int
	unsure, kept        int
	generations         map[int64]string

	columns  []edm.Column     // as they are
	patterns [][]edm.Column   // as they were, too
	indexed  map[int64]string // generation → which columns are searchable
	settled  bool             // nothing is indexed
}

// taken is how much of the quota is taken: at least and at most, as long as it is
// not known whether a bad table has failed.
func (s *modelStore) taken() (least, most int) {
	least, most = s.kept, s.kept+s.unsure
	for _, m := range s.sessions {
		switch {
		case m.order == 0 || m.deleted && !m.done:
		case !m.bad:
			least, most = least+1, most+1
		case !m.done:
			most++
		}
	}
	return least, most
}

// full reports whether a commit is sure to be refused, and roomy whether it is
// sure not to be.
func (s *modelStore) full() bool {
	least, _ := s.taken()
	return least >= childCommits
}

func (s *modelStore) roomy() bool {
	_, most := s.taken()
	return most < childCommits
}

// raise notes that a session's table was live, or of a commit before the live one.
func (s *modelStore) raise(order int) { s.floor = max(s.floor, order) }

// of returns the session that is not deleted under an id.
func (s *modelStore) of(id string) *modelSession {
	for _, m := range s.sessions {
		if m.id == id && !m.deleted {
			return m
		}
	}
	return nil
}
