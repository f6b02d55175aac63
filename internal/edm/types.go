// Package edm is the contract with an exact data match service: the resources
// of Microsoft Graph beta's data classification API as Go types, the three
// interfaces that a client of the service offers, and the errors that every
// implementation returns. API.md says the same in prose. Package rest talks
// HTTP; package edmtest holds the suite that every implementation passes.
package edm

import (
	"maps"
	"slices"
	"time"
)

// Types of OData resources as the service writes them in @odata.type.
const (
	TypeSession     = "#microsoft.graph.exactMatchSession"
	TypeDataStore   = "#microsoft.graph.exactMatchDataStore"
	TypeUploadAgent = "#microsoft.graph.exactMatchUploadAgent"
)

// State is where a remote session stands. Graph documents
// ProcessingInProgress and Completed; the others are this project's. A client
// must tolerate a state that it does not know.
type State string

// The states of a remote session.
const (
	StateCreated              State = "Created"
	StateUploadInProgress     State = "UploadInProgress"
	StateUploadCompleted      State = "UploadCompleted"
	StateProcessingInProgress State = "ProcessingInProgress"
	StateCompleted            State = "Completed"
	StateCancelled            State = "Cancelled"
	StateFailed               State = "Failed"
	StateExpired              State = "Expired"
)

// Ended reports whether nothing more happens to a session in this state.
func (s State) Ended() bool {
	switch s {
	case StateCompleted, StateCancelled, StateFailed, StateExpired:
		return true
	default:
		return false
	}
}

// Committed reports whether a session in this state has passed its commit.
func (s State) Committed() bool {
	return s == StateProcessingInProgress || s == StateCompleted
}

// Session is Graph's exactMatchSession: one table on its way into one data
// store. Times are UTC. Counters that the service has not set are nil.
type Session struct {
	ODataType string `json:"@odata.type,omitempty"`
	ID        string `json:"id,omitempty"`

	CreationDateTime             *time.Time `json:"creationDateTime,omitempty"`
	StartDateTime                *time.Time `json:"startDateTime,omitempty"`
	LastUpdatedDateTime          *time.Time `json:"lastUpdatedDateTime,omitempty"`
	CompletionDateTime           *time.Time `json:"completionDateTime,omitempty"`
	UploadCompletionDateTime     *time.Time `json:"uploadCompletionDateTime,omitempty"`
	ProcessingCompletionDateTime *time.Time `json:"processingCompletionDateTime,omitempty"`

	Error *ClassificationError `json:"error,omitempty"`

	// DataStoreID is written as dataStoreId; a reader accepts datastoreId too.
	DataStoreID   string   `json:"dataStoreId,omitempty"`
	UploadAgentID string   `json:"uploadAgentId,omitempty"`
	Fields        []string `json:"fields,omitempty"`
	FileName      string   `json:"fileName,omitempty"`
	// Checksum is "sha256:" and 64 hex digits, of the table's stored bytes.
	Checksum string `json:"checksum,omitempty"`
	// DataUploadURI is a bearer capability: anyone who has it can write blocks.
	DataUploadURI string `json:"dataUploadURI,omitempty"`
	State         State  `json:"state,omitempty"`

	RowsPerBlock        *int32 `json:"rowsPerBlock,omitempty"`
	TotalBlockCount     *int32 `json:"totalBlockCount,omitempty"`
	RemainingBlockCount *int32 `json:"remainingBlockCount,omitempty"`
	TotalJobCount       *int32 `json:"totalJobCount,omitempty"`
	RemainingJobCount   *int32 `json:"remainingJobCount,omitempty"`

	// KeyID and ContentKey are this project's additions. KeyID is 16 hex digits
	// and names the key of the tokens without revealing it; ContentKey is
	// "content/v2:sha256:" and 64 hex digits, and names everything that decides
	// the blocks and their index (block/FORMAT.md). A key of another version is
	// kept and says nothing.
	KeyID      string `json:"keyId,omitempty"`
	ContentKey string `json:"contentKey,omitempty"`
	// Columns are the fields with the rules that their tokens were made under, in
	// the order of Fields, and ExpirationDateTime is when the service gives an
	// unfinished session up. Both are this project's additions.
	Columns            []Column   `json:"columns,omitempty"`
	ExpirationDateTime *time.Time `json:"expirationDateTime,omitempty"`
}

// DataStore is Graph's exactMatchDataStore: a schema and the table that is live
// under it.
type DataStore struct {
	ODataType               string     `json:"@odata.type,omitempty"`
	ID                      string     `json:"id,omitempty"`
	DisplayName             string     `json:"displayName,omitempty"`
	Description             string     `json:"description,omitempty"`
	Columns                 []Column   `json:"columns,omitempty"`
	DataLastUpdatedDateTime *time.Time `json:"dataLastUpdatedDateTime,omitempty"`

	// Live, Previous, Quota and Owner are this project's additions, nil where the
	// service has none: the session whose table is live, the one whose table was live
	// before and can be so again, the commits that are left, and the object that the
	// store belongs to.
	Live     *Live     `json:"live,omitempty"`
	Previous *Previous `json:"previous,omitempty"`
	Quota    *Quota    `json:"quota,omitempty"`
	Owner    *Owner    `json:"owner,omitempty"`
}

// Owner names the one object that a data store belongs to: Cluster is whatever
// tells the clusters that share a service apart.
type Owner struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Column is Graph's exactDataMatchStoreColumn. RulesID names the rules that its
// tokens are made under (Rules); it is this project's addition.
type Column struct {
	Name              string   `json:"name"`
	IsSearchable      bool     `json:"isSearchable"`
	IsCaseInsensitive bool     `json:"isCaseInsensitive"`
	IgnoredDelimiters []string `json:"ignoredDelimiters,omitempty"`
	RulesID           string   `json:"rulesId,omitempty"`
}

// Live names the committed session that lookups answer from. Generation grows
// with every change of what is live, in the order of the commits. Columns are
// those of the table, with the rules of its tokens, and searchable as they are
// indexed now.
type Live struct {
	SessionID          string     `json:"sessionId"`
	ContentKey         string     `json:"contentKey,omitempty"`
	KeyID              string     `json:"keyId,omitempty"`
	Rows               int64      `json:"rows"`
	Generation         int64      `json:"generation"`
	Columns            []Column   `json:"columns,omitempty"`
	CompletionDateTime *time.Time `json:"completionDateTime,omitempty"`
}

// Previous names the session whose table was live before the present one. Until Until
// a rollback makes it live again, as a generation of its own.
type Previous struct {
	Generation int64     `json:"generation"`
	SessionID  string    `json:"sessionId"`
	Rows       int64     `json:"rows"`
	Until      time.Time `json:"until"`
}

// Quota is the rolling 24-hour allowance of commits of one data store.
// NextSlotDateTime is set when Remaining is 0.
type Quota struct {
	Max              int32      `json:"max"`
	Remaining        int32      `json:"remaining"`
	NextSlotDateTime *time.Time `json:"nextSlotDateTime,omitempty"`
}

// UploadAgent is Graph's exactMatchUploadAgent: who uploads.
type UploadAgent struct {
	ODataType        string     `json:"@odata.type,omitempty"`
	ID               string     `json:"id,omitempty"`
	Description      string     `json:"description,omitempty"`
	CreationDateTime *time.Time `json:"creationDateTime,omitempty"`
}

// ErrorBase is Graph's classifcationErrorBase (the missing "i" is Graph's).
type ErrorBase struct {
	Code       string      `json:"code,omitempty"`
	Message    string      `json:"message,omitempty"`
	Target     string      `json:"target,omitempty"`
	InnerError *InnerError `json:"innerError,omitempty"`
}

// ClassificationError is Graph's classificationError.
type ClassificationError struct {
	ErrorBase
	Details []ErrorBase `json:"details,omitempty"`
}

// InnerError is Graph's classificationInnerError.
type InnerError struct {
	Code            string     `json:"code,omitempty"`
	ErrorDateTime   *time.Time `json:"errorDateTime,omitempty"`
	ClientRequestID string     `json:"clientRequestId,omitempty"`
	ActivityID      string     `json:"activityId,omitempty"`
}

// LookupRequest is the body of Graph's lookup action. Key is the key id;
// Values are tokens in standard base64, one search each; ResultColumnNames are
// the columns whose tokens the answer carries.
type LookupRequest struct {
	Key               string   `json:"key"`
	Values            []string `json:"values"`
	ResultColumnNames []string `json:"resultColumnNames"`
}

// What one match may ask.
const (
	// MaxQuestions are the questions of a match.
	MaxQuestions = 1000
	// MaxLimit is the highest limit of a question, DefaultLimit the one that it
	// has where it names none.
	MaxLimit     = 1000
	DefaultLimit = 10
	// MaxSameRowTokens are the tokens of one column that a question compares.
	MaxSameRowTokens = 1000
	// MaxMatchRows is the most that the limits of a match's questions may add up
	// to, and MaxMatchCells the most that the limit of each, times the columns that
	// it compares, may: the rows of an answer, and the cells that are read for it.
	MaxMatchRows  = 10_000
	MaxMatchCells = 50_000
)

// MatchRequest asks up to MaxQuestions questions of one live table. RulesIDs
// names, by column, the rules that the tokens of all questions were made under.
type MatchRequest struct {
	KeyID     string            `json:"keyId"`
	RulesIDs  map[string]string `json:"rulesId,omitempty"`
	Questions []MatchQuestion   `json:"questions"`
}

// MatchQuestion asks which rows hold Token in Column, and which of the tokens in
// SameRow, some of each column, stand in the same row. Tokens are standard base64
// of 16 bytes. Limit bounds the rows of the answer, 1 to MaxLimit.
type MatchQuestion struct {
	Column  string              `json:"column"`
	Token   string              `json:"token"`
	SameRow map[string][]string `json:"sameRow,omitempty"`
	Limit   int                 `json:"limit,omitempty"`
}

// MatchResponse has an answer to each question, in their order. All are of one
// generation.
type MatchResponse struct {
	Generation int64         `json:"generation"`
	SessionID  string        `json:"sessionId"`
	Answers    []MatchAnswer `json:"answers"`
}

// MatchAnswer is the answer to one question. Total counts the rows that hold the
// token, also beyond the question's limit.
type MatchAnswer struct {
	Total int64      `json:"total"`
	Rows  []MatchRow `json:"rows,omitempty"`
}

// MatchRow is one row that holds the token. Row counts the good rows of the
// table from 0. Matched says of each column of SameRow that has one of its tokens
// in this row which one, as its position in the question, from 0.
type MatchRow struct {
	Row     int64          `json:"row"`
	Matched map[string]int `json:"matched,omitempty"`
}

// MatchedColumns are the columns of a row that hold a token, sorted.
func (r MatchRow) MatchedColumns() []string { return slices.Sorted(maps.Keys(r.Matched)) }
