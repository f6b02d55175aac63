// The journey brings a table to a service and asks for one of its values, by a client that is generated
// from the service's OpenAPI document. TestGeneratedClient runs it.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"exactmatch.dev/operator/hack/openapi/testdata/client"
	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

const store = "patients"

var columns = []string{"PatientID", "City"}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	c, err := client.NewClientWithResponses(os.Args[1], client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
		return nil
	}))
	must(err)
	key, err := fingerprint.NewKey([]byte("a key of the journey of 32 bytes"))
	must(err)
	j := journey{ctx: ctx, client: c, key: key}
	j.open()
	j.upload(j.block())
	j.commit()
	j.ask("P-41", 1)
	j.ask("P-99", 0)
	fmt.Println("the journey is over")
}

type journey struct {
	ctx                   context.Context
	client                *client.ClientWithResponses
	key                   fingerprint.Key
	agent, store, session string
	uri                   *url.URL
}

// open makes the upload agent, the data store and the session.
func (j *journey) open() {
	agent, err := j.client.CreateUploadAgentWithResponse(j.ctx, nil, client.UploadAgentInput{Description: ptr("the journey")})
	must(err)
	j.agent = wanted(agent.JSON201, agent.Body).Id
	searchable := true
	made, err := j.client.CreateDataStoreWithResponse(j.ctx, nil, client.DataStoreInput{
		DisplayName: store, Columns: client.ColumnInputs{{Name: columns[0], IsSearchable: &searchable}, {Name: columns[1]}},
	})
	must(err)
	j.store = wanted(made.JSON201, made.Body).Id
	session, err := j.client.CreateSessionWithResponse(j.ctx, j.store, nil, client.SessionInput{
		UploadAgentId: &j.agent, Fields: &columns, FileName: "patients.csv", RowsPerBlock: 4, TotalBlockCount: 1, KeyId: ptr(j.key.ID(store).String()),
	})
	must(err)
	j.session = wanted(session.JSON201, session.Body).Id
	j.uri, err = url.Parse(*session.JSON201.DataUploadURI)
	must(err)
}

// block has the rows P-40 to P-43.
func (j *journey) block() []byte {
	var tokens [][]byte
	for _, column := range columns {
		var all []byte
		for row := range 4 {
			all = append(all, j.token(column, fmt.Sprintf("P-%d", 40+row))...)
		}
		tokens = append(tokens, all)
	}
	data, err := block.Append(nil, block.Header{Rules: fingerprint.Rules, KeyID: j.key.ID(store), Store: store, Rows: 4, Columns: columns}, tokens)
	must(err)
	return data
}

func (j *journey) token(column, cell string) []byte {
	h, err := j.key.Hasher(store, schema.Column{Name: column})
	must(err)
	return h.AppendToken(nil, []byte(cell))
}

// upload stages the block and seals the list.
func (j *journey) upload(data []byte) {
	id := block.ID(0, block.Sum(data))
	query := j.uri.Query()
	params := client.PutBlockParams{Sv: query.Get("sv"), Sr: query.Get("sr"), Sp: query.Get("sp"), Se: query.Get("se"), Comp: "block", Blockid: &id}
	staged, err := j.client.PutBlockWithBodyWithResponse(j.ctx, j.session, &params, "application/octet-stream", bytes.NewReader(data), j.signed)
	must(err)
	want(http.StatusCreated, staged.StatusCode(), staged.Body)
	listed, err := j.client.ListBlocksWithResponse(j.ctx, j.session, &client.ListBlocksParams{
		Comp: "blocklist", Blocklisttype: ptr("uncommitted"), Sv: params.Sv, Sr: params.Sr, Sp: params.Sp, Se: params.Se,
	}, j.signed)
	must(err)
	want(http.StatusOK, listed.StatusCode(), listed.Body)
	if !strings.Contains(string(listed.Body), id) {
		fail("the list lacks the block: %s", listed.Body)
	}
	list, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"BlockList"`
		Latest  []string
	}{Latest: []string{id}})
	must(err)
	params.Comp, params.Blockid = "blocklist", nil
	sealed, err := j.client.PutBlockWithBodyWithResponse(j.ctx, j.session, &params, "application/xml", bytes.NewReader(list), j.signed)
	must(err)
	want(http.StatusCreated, sealed.StatusCode(), sealed.Body)
}

// signed shows the signature of the upload URI in place of the token.
func (j *journey) signed(_ context.Context, r *http.Request) error {
	r.Header.Del("Authorization")
	query := r.URL.Query()
	query.Set("sig", j.uri.Query().Get("sig"))
	r.URL.RawQuery = query.Encode()
	return nil
}

// commit waits until the table is live.
func (j *journey) commit() {
	committed, err := j.client.CommitSessionWithResponse(j.ctx, j.store, j.session, nil)
	must(err)
	want(http.StatusNoContent, committed.StatusCode(), committed.Body)
	for state := "ProcessingInProgress"; state != "Completed"; {
		got, err := j.client.GetSessionWithResponse(j.ctx, j.store, j.session, nil)
		must(err)
		if state = string(*wanted(got.JSON200, got.Body).State); state != "Completed" && state != "ProcessingInProgress" {
			fail("the session is %s", state)
		}
	}
}

// ask counts the rows of a value.
func (j *journey) ask(cell string, rows int64) {
	token := base64.StdEncoding.EncodeToString(j.token(columns[0], cell))
	got, err := j.client.MatchWithResponse(j.ctx, j.store, nil, client.MatchRequest{
		KeyId: j.key.ID(store).String(), Questions: []client.MatchQuestion{{Column: columns[0], Token: token}},
	})
	must(err)
	if total := wanted(got.JSON200, got.Body).Answers[0].Total; total != rows {
		fail("%s stands in %d rows", cell, total)
	}
}

func ptr[T any](of T) *T { return &of }

// wanted is the answer that was hoped for.
func wanted[T any](answer *T, body []byte) *T {
	if answer == nil {
		fail("answered: %s", body)
	}
	return answer
}

func want(status, got int, body []byte) {
	if got != status {
		fail("answered %d: %s", got, body)
	}
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
