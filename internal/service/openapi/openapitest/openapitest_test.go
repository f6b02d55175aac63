package openapitest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/service/openapi"
	"exactmatch.dev/operator/internal/service/openapi/openapitest"
)

const (
	stores   = "/beta/dataClassification/exactMatchDataStores"
	anID     = "9b2f6a1e-2c64-4b0c-8a55-1f4d5b7e9c03"
	uploadTo = "/upload/" + anID + "?sv=2024-11-04&sr=b&sp=rcw&se=2026-01-02T03%3A04%3A05Z&sig=x&comp="
)

// exchange is one of a service, with the headers that all have. Extra ones stand in pairs.
func exchange(method, target, body string, status int, said string, extra ...string) *openapitest.Exchange {
	address, err := url.Parse("http://service" + target)
	if err != nil {
		panic(err)
	}
	e := &openapitest.Exchange{
		Method: method, URL: address, Header: http.Header{"Authorization": {"Bearer x"}}, Body: []byte(body), Status: status, Said: []byte(said),
		Answer: http.Header{"Request-Id": {anID}, "Client-Request-Id": {"x"}, "X-Block-Format": {"exactmatch.dev/block/v1"}, "Cache-Control": {"no-store"}},
	}
	if strings.HasPrefix(target, "/upload/") {
		e.Header = http.Header{}
		e.Answer = http.Header{"X-Ms-Request-Id": {anID}, "X-Ms-Version": {"2024-11-04"}}
	}
	switch {
	case strings.HasPrefix(said, "{"):
		e.Answer.Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	case strings.HasPrefix(said, "<"):
		e.Answer.Set("Content-Type", "application/xml")
	}
	for i := 0; i < len(extra); i += 2 {
		e.Answer.Set(extra[i], extra[i+1])
	}
	return e
}

// exchanges are as the service has them.
func exchanges() map[string]*openapitest.Exchange {
	live := `"live":{"sessionId":"s","rows":5,"generation":1,"columns":[{"name":"ID","isSearchable":true,"isCaseInsensitive":false,"rulesId":"v1:exact:"}]}`
	return map[string]*openapitest.Exchange{
		"a store":      exchange("GET", stores+"/a", "", 200, `{"@odata.etag":"W/\"4y1bXc0wF2Qm9kZp\"","id":"a","displayName":"people",`+live+`}`, "ETag", `W/"4y1bXc0wF2Qm9kZp"`),
		"a page":       exchange("GET", stores+"?$top=1&$select=id,displayName", "", 200, `{"@odata.count":2,"@odata.nextLink":"http://service/x?$skip=1","value":[{"id":"a"}]}`),
		"a create":     exchange("POST", stores, `{"displayName":"people","columns":[{"name":"ID"}]}`, 201, `{"@odata.type":"#microsoft.graph.exactMatchDataStore","id":"a","displayName":"people","columns":[{"name":"ID","isSearchable":false,"isCaseInsensitive":false}]}`, "Location", "http://service"+stores+"/a"),
		"a refusal":    exchange("GET", stores+"/a", "", 404, `{"error":{"code":"ResourceNotFound","message":"none","innerError":{"date":"2026-01-02T03:04:05Z","request-id":"`+anID+`","client-request-id":"x"}}}`),
		"a commit":     exchange("POST", stores+"/a/sessions/b/commit", "", 204, ""),
		"answers":      exchange("POST", stores+"/a/match", `{"keyId":"464ac9a3b6e59893","questions":[{"column":"ID","token":"AAECAwQFBgcICQoLDA0ODw=="}]}`, 200, `{"generation":1,"sessionId":"s","answers":[{"total":1,"rows":[{"row":0,"matched":{"City":0}}]}]}`),
		"a block list": exchange("GET", uploadTo+"blocklist", "", 200, `<?xml version="1.0" encoding="UTF-8"?><BlockList><CommittedBlocks></CommittedBlocks><UncommittedBlocks><Block><Name>a</Name><Size>5</Size></Block></UncommittedBlocks></BlockList>`),
		"a look": exchange("HEAD", strings.TrimSuffix(uploadTo, "&comp="), "", 200, "", "Content-Type", "application/octet-stream", "ETag", `"0x1"`, "Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT",
			"X-Ms-Blob-Type", "BlockBlob", "X-Ms-Creation-Time", "Fri, 02 Jan 2026 03:04:05 GMT", "X-Ms-Server-Encrypted", "false"),
		"a look at nothing": exchange("HEAD", strings.TrimSuffix(uploadTo, "&comp="), "", 404, `<Error><Code>BlobNotFound</Code><Message>none</Message></Error>`, "X-Ms-Error-Code", "BlobNotFound"),
		"a look at a store": exchange("HEAD", stores+"/a", "", 200, ""),
		"a bad block":       exchange("PUT", uploadTo+"block&blockid=AAAAAAAAAAAAAAAA", "x", 400, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidBlock</Code><Message>it is not</Message></Error>`, "X-Ms-Error-Code", "InvalidBlock"),
		"no such call":      exchange("GET", "/beta/me", "", 404, `{"error":{"code":"NoSuchCall","message":"none","innerError":{"date":"2026-01-02T03:04:05Z","request-id":"`+anID+`","client-request-id":"x"}}}`),
	}
}

func document(t *testing.T) map[string]any {
	t.Helper()
	text, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]any{}
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	return whole
}

func readDocument(t *testing.T, whole map[string]any) *openapitest.Document {
	t.Helper()
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openapitest.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestExchangesAreAsDocumented(t *testing.T) {
	d := readDocument(t, document(t))
	for name, e := range exchanges() {
		for _, fault := range d.Faults(e) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// Whatever the document does not have is found: each of these is taken out of it.
func TestWhatIsMissingIsFound(t *testing.T) {
	for at, found := range map[string]string{
		"components schemas DataStore properties @odata.etag":                                     "a store",
		"components responses DataStore headers ETag":                                             "a store",
		"components schemas DataStore properties live":                                            "a store",
		"components schemas Live properties columns":                                              "a store",
		"components schemas Column properties rulesId":                                            "a store",
		"components headers Cache-Control":                                                        "a commit",
		"components responses CreatedDataStore headers Location":                                  "a create",
		"components responses DataStores content application/json schema properties @odata.count": "a page",
		"components schemas ODataInnerError properties client-request-id":                         "a refusal",
		"paths " + stores + "/{store} get responses 404":                                          "a refusal",
		"paths " + stores + "/{store}/sessions/{id}/commit":                                       "a commit",
		"components schemas MatchRow properties matched":                                          "answers",
		"components schemas Block properties Size":                                                "a block list",
		"x-elsewhere calls responses 404":                                                         "no such call",
	} {
		t.Run(at, func(t *testing.T) {
			whole := document(t)
			remove(t, whole, strings.Fields(at))
			if faults := readDocument(t, whole).Faults(exchanges()[found]); len(faults) == 0 {
				t.Errorf("nothing is said of %s", found)
			}
		})
	}
}

// remove takes one name out, and what refers to it or requires it.
func remove(t *testing.T, whole map[string]any, steps []string) {
	t.Helper()
	at, last := whole, steps[len(steps)-1]
	for _, step := range steps[:len(steps)-1] {
		next, is := at[step].(map[string]any)
		if !is {
			t.Fatalf("the document has no %s", step)
		}
		if required, is := next["required"].([]any); is {
			kept := []any{}
			for _, name := range required {
				if name != last {
					kept = append(kept, name)
				}
			}
			next["required"] = kept
		}
		at = next
	}
	if _, there := at[last]; !there {
		t.Fatalf("the document has no %s", steps)
	}
	delete(at, last)
	if steps[1] == "headers" {
		forget(whole, "#/components/headers/"+last)
	}
}

// forget removes references.
func forget(in any, ref string) {
	switch in := in.(type) {
	case map[string]any:
		maps.DeleteFunc(in, func(_ string, value any) bool {
			to, is := value.(map[string]any)
			return is && to["$ref"] == ref
		})
		for _, value := range in {
			forget(value, ref)
		}
	case []any:
		for _, value := range in {
			forget(value, ref)
		}
	}
}

// What the service would answer otherwise than it is documented is found.
func TestWhatIsOtherwiseIsFound(t *testing.T) {
	d := readDocument(t, document(t))
	for name, change := range map[string]func(map[string]*openapitest.Exchange) *openapitest.Exchange{
		"a property that nobody described": said("a store", `{"id":"a","color":"red"}`),
		"one within another":               said("a store", `{"id":"a","owner":{"cluster":"c","namespace":"n","name":"x","color":"red"}}`),
		"one in an item of a page":         said("a page", `{"value":[{"id":"a","color":"red"}]}`),
		"a property of another type":       said("a store", `{"id":"a","displayName":5}`),
		"a property that is missing":       said("a create", `{"id":"a"}`),
		"another code":                     said("a refusal", `{"error":{"code":"NoSuchCall","message":"none","innerError":{"date":"2026-01-02T03:04:05Z","request-id":"`+anID+`","client-request-id":"x"}}}`),
		"a time that is none":              said("a refusal", `{"error":{"code":"ResourceNotFound","message":"none","innerError":{"date":"now","request-id":"`+anID+`","client-request-id":"x"}}}`),
		"another status": func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
			of["a store"].Status = 202
			return of["a store"]
		},
		"a header that nobody described": func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
			of["a store"].Answer.Set("X-Color", "red")
			return of["a store"]
		},
		"a header that is missing": func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
			of["a store"].Answer.Del("Request-Id")
			return of["a store"]
		},
		"another code in XML": said("a bad block", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>Conflict</Code><Message>it is not</Message></Error>`),
		"a request that was taken": func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
			of["a create"].Body = []byte(`{"displayName":"people"}`)
			return of["a create"]
		},
		"an option that is out of bounds": func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
			of["a page"].URL.RawQuery = "$top=1001"
			return of["a page"]
		},
		"a call without a token": func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
			of["a store"].Header.Del("Authorization")
			return of["a store"]
		},
	} {
		if faults := d.Faults(change(exchanges())); len(faults) == 0 {
			t.Errorf("nothing is said of %s", name)
		}
	}
}

// said is an exchange with another body of its answer.
func said(name, text string) func(map[string]*openapitest.Exchange) *openapitest.Exchange {
	return func(of map[string]*openapitest.Exchange) *openapitest.Exchange {
		of[name].Said = []byte(text)
		return of[name]
	}
}
