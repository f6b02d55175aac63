package interop

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	kiota "github.com/microsoft/kiota-http-go"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"

	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
)

// tokens gives kiota the bearer token of the service.
type tokens struct {
	hosts authentication.AllowedHostsValidator
}

func (tokens) GetAuthorizationToken(context.Context, *url.URL, map[string]any) (string, error) {
	return sink.Bearer, nil
}

func (t tokens) GetAllowedHostsValidator() *authentication.AllowedHostsValidator { return &t.hosts }

// graph calls the service as Graph's SDKs do: kiota's adapter over its default client.
type graph struct {
	*testing.T
	adapter *kiota.NetHttpRequestAdapter
	calls   int
	gzipped *atomic.Int32 // bodies that came compressed
}

// newGraph is a client of the service behind a sink.
func newGraph(t *testing.T, s *sink.Sink) *graph {
	t.Helper()
	g := &graph{T: t, gzipped: &atomic.Int32{}}
	s.Spoil = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Content-Encoding") == "gzip" {
			g.gzipped.Add(1)
		}
		return false
	}
	var err error
	g.adapter, err = kiota.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		authentication.NewBaseBearerTokenAuthenticationProvider(tokens{}), kiotajson.NewJsonParseNodeFactory(), kiotajson.NewJsonSerializationWriterFactory(), kiota.GetDefaultClient())
	testkit.Must(t, err)
	g.adapter.SetBaseUrl(s.Server.URL + "/beta")
	return g
}

// request is a call of a path below dataClassification, with a body where there is one.
func (g *graph) request(method abstractions.HttpMethod, path string, body serialization.Parsable) *abstractions.RequestInformation {
	g.Helper()
	g.calls++
	r := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(method, "{+baseurl}/dataClassification/"+path, map[string]string{})
	r.Headers.Add("Accept", "application/json")
	if body != nil {
		testkit.Must(g, r.SetContentFromParsable(g.Context(), g.adapter, "application/json", body))
	}
	return r
}

var mappings = abstractions.ErrorMappings{"4XX": newODataError, "5XX": newODataError}

// send wants a resource.
func (g *graph) send(r *abstractions.RequestInformation) *resource {
	g.Helper()
	got, err := g.adapter.Send(g.Context(), r, newResource, mappings)
	testkit.Must(g, said(err))
	return got.(*resource)
}

// list wants all pages of a collection, and returns their ids.
func (g *graph) list(path string) (ids []string, pages int) {
	g.Helper()
	for r := g.request(abstractions.GET, path, nil); ; {
		got, err := g.adapter.Send(g.Context(), r, newCollection, mappings)
		testkit.Must(g, said(err))
		page := got.(*collection)
		for _, one := range page.value {
			ids = append(ids, *one.(*resource).id)
		}
		pages++
		if page.nextLink == nil {
			return ids, pages
		}
		next, err := url.Parse(*page.nextLink)
		testkit.Must(g, err)
		r = g.request(abstractions.GET, "", nil)
		r.SetUri(*next)
	}
}

// nothing wants a call to be done.
func (g *graph) nothing(r *abstractions.RequestInformation) {
	g.Helper()
	testkit.Must(g, said(g.adapter.SendNoContent(g.Context(), r, mappings)))
}

// said makes an error say what the service did.
func said(err error) error {
	var e *odataError
	if errors.As(err, &e) && e.main != nil {
		return errors.New(*e.main.code + ": " + *e.main.message)
	}
	return err
}

// refused wants the service's own error.
func (g *graph) refused(r *abstractions.RequestInformation, status int, code string) {
	g.Helper()
	_, err := g.adapter.Send(g.Context(), r, newResource, mappings)
	var e *odataError
	if !errors.As(err, &e) || e.main == nil || e.GetStatusCode() != status || *e.main.code != code {
		g.Errorf("want a %d %s, got %v", status, code, said(err))
	}
}

func text(s string) *string { return &s }

// TestGraphsClient takes a table from create to live with nothing but Graph's properties,
// and blocks that the Azure SDK uploads.
func TestGraphsClient(t *testing.T) {
	s := sink.New(t)
	g := newGraph(t, s)
	agent := g.send(g.request(abstractions.POST, "exactMatchUploadAgents", &resource{odataType: text("#microsoft.graph.exactMatchUploadAgent"), description: text("interop")}))
	store := g.send(g.request(abstractions.POST, "exactMatchDataStores", &resource{
		odataType: text("#microsoft.graph.exactMatchDataStore"), displayName: text("interop"), description: text("it's a trial"),
		columns: []serialization.Parsable{&column{"ID", true, false}, &column{"Mail", true, true}},
	}))
	sessions := "exactMatchDataStores/" + *store.id + "/sessions"

	plan := tables.Plan(tables.CSV(1_000), 100)
	plan.Store = "interop"
	prepared := tables.Prepare(t, plan)
	rows, blocks := int32(plan.RowsPerBlock), int32(prepared.Blocks)
	wanted := &resource{
		odataType: text("#microsoft.graph.exactMatchSession"), dataStoreID: store.id, uploadAgentID: agent.id, fileName: text("people.csv"), salt: text("c2FsdA=="), rowsPerBlock: &rows, totalBlockCount: &blocks,
	}
	one := g.send(g.request(abstractions.POST, sessions, wanted))
	if *one.state != "Created" || *one.remainingBlockCount != blocks || *one.dataStoreID != *store.id || one.salt != nil {
		t.Fatalf("the session is %s, %d remaining", *one.state, *one.remainingBlockCount)
	}
	for range 4 {
		g.send(g.request(abstractions.POST, sessions, wanted))
	}
	ids, pages := g.list(sessions + "?$top=2&$orderby=creationDateTime")
	if len(ids) != 5 || ids[0] != *one.id || pages != 3 {
		t.Fatalf("%d sessions on %d pages, from %v", len(ids), pages, ids)
	}
	renamed := g.send(g.request(abstractions.PATCH, sessions+"/"+*one.id, &resource{fileName: text("march.csv")}))
	if *renamed.fileName != "march.csv" {
		t.Errorf("the file name is %s", *renamed.fileName)
	}
	one = g.send(g.request(abstractions.POST, sessions+"/"+*one.id+"/renew", nil))

	azure := newAzure(t, *one.dataUploadURI)
	azure.seal(azure.stage(blocksOf(t, plan, prepared)))
	g.nothing(g.request(abstractions.POST, sessions+"/"+*one.id+"/commit", nil))
	g.eventually(sessions+"/"+*one.id, "Completed")

	g.refused(g.request(abstractions.GET, sessions+"/nowhere", nil), http.StatusNotFound, "ResourceNotFound")
	g.refused(g.request(abstractions.POST, sessions, &resource{dataStoreID: text("another"), fileName: text("a.csv"), rowsPerBlock: &rows, totalBlockCount: &blocks}), http.StatusBadRequest, "BadRequest")
	g.nothing(g.request(abstractions.POST, sessions+"/"+ids[1]+"/cancel", nil))
	g.nothing(g.request(abstractions.DELETE, sessions+"/"+ids[1], nil))
	g.nothing(g.request(abstractions.DELETE, "exactMatchDataStores/"+*store.id, nil))
	if g.gzipped.Load() == 0 {
		t.Error("kiota's default client compressed no body")
	}
	t.Logf("kiota: %d calls, %s of them with a body compressed by gzip; %d blocks by the Azure SDK", g.calls, strconv.Itoa(int(g.gzipped.Load())), blocks)
}

// eventually reads a resource until it has a state: indexing takes its time.
func (g *graph) eventually(path, state string) {
	g.Helper()
	ctx, stop := context.WithTimeout(g.Context(), 30*time.Second)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got := g.send(g.request(abstractions.GET, path, nil))
		if *got.state == state {
			return
		}
		select {
		case <-ctx.Done():
			g.Fatalf("it stays %s, want %s", *got.state, state)
		case <-tick.C:
		}
	}
}
