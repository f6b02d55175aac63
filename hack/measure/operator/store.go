package operator

import (
	"context"
	"fmt"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/edm/rest"
	"exactmatch.dev/operator/internal/schema"
)

// Store is a data store that tables are uploaded to.
type Store struct {
	*edm.DataStore
	Client *rest.Client

	agent *edm.UploadAgent
}

// NewStore makes a data store, and an upload agent for its sessions.
func NewStore(ctx context.Context, endpoint, token string, store edm.DataStore) (*Store, error) {
	client, err := rest.New(rest.Options{Endpoint: endpoint, Token: rest.StaticToken(token), HTTP: Guard.HTTPClient(), Pace: rest.Unpaced()})
	if err != nil {
		return nil, err
	}
	s := &Store{Client: client}
	if s.agent, err = client.Agents().Create(ctx, edm.UploadAgent{Description: "measured"}, "agent"); err != nil {
		return nil, err
	}
	s.DataStore, err = client.Stores().Create(ctx, store, "store")
	return s, err
}

// Columns are those of the contract.
func Columns(columns []schema.Column) []edm.Column {
	out := make([]edm.Column, 0, len(columns))
	for _, c := range columns {
		out = append(out, edm.Column{Name: c.Name, IsSearchable: c.IsSearchable, IsCaseInsensitive: c.IsCaseInsensitive, IgnoredDelimiters: c.IgnoredDelimiters})
	}
	return out
}

// Blocks say what a session uploads.
type Blocks struct {
	RowsPerBlock, Count int
	KeyID, ContentKey   string
}

// Open opens a session of all columns of the store.
func (s *Store) Open(ctx context.Context, blocks Blocks) (*edm.Session, error) {
	fields := make([]string, 0, len(s.Columns))
	for _, c := range s.Columns {
		fields = append(fields, c.Name)
	}
	perBlock, total := int32(blocks.RowsPerBlock), int32(blocks.Count)
	return s.Client.Sessions().Create(ctx, s.ID, edm.Session{
		UploadAgentID: s.agent.ID, Fields: fields, FileName: "table.csv",
		RowsPerBlock: &perBlock, TotalBlockCount: &total, KeyID: blocks.KeyID, ContentKey: blocks.ContentKey,
	}, "session")
}

// OpenFor opens a session for what is prepared.
func (s *Store) OpenFor(ctx context.Context, w *Work) (*edm.Session, error) {
	return s.Open(ctx, Blocks{RowsPerBlock: w.Plan.RowsPerBlock, Count: w.Prepared.Blocks, KeyID: w.Prepared.KeyID, ContentKey: w.Prepared.ContentKey})
}

// Commit hands a session's blocks over and looks at each interval until they are indexed.
func (s *Store) Commit(ctx context.Context, session string, interval time.Duration) error {
	sessions := s.Client.Sessions()
	if err := sessions.Commit(ctx, s.ID, session, nil); err != nil {
		return err
	}
	return measure.Until(ctx, interval, "the blocks are indexed", func() (bool, error) {
		now, err := sessions.Get(ctx, s.ID, session)
		switch {
		case err != nil:
			return false, err
		case now.State != edm.StateCompleted && now.State.Ended():
			return false, fmt.Errorf("the session ended as %s: %+v", now.State, now.Error)
		}
		return now.State == edm.StateCompleted, nil
	})
}
