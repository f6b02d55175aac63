package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/edm"
)

// queryEntities are what the options are held against: equal times and names,
// names that look like times, quotes, and properties that are not there.
func queryEntities() []*shownSession {
	var all []*shownSession
	for i, name := range []string{"b", "a", "it's", "", "a", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", "ß", "c d", "Z", "and ", "'"} {
		at := time.Date(2026, 1, 2, 3, 4, i/3, 5e8*(i%2), time.UTC)
		blocks := int32(i)
		one := &edm.Session{ID: fmt.Sprintf("id-%02d", (i*7)%12), FileName: name, State: edm.StateCreated, TotalBlockCount: &blocks, CreationDateTime: &at}
		if i%4 == 0 {
			one.State, one.Checksum, one.UploadAgentID = edm.StateCompleted, "sha256:"+strconv.Itoa(i), "agent"
		}
		all = append(all, &shownSession{Session: one})
	}
	return all
}

// FuzzQuery holds every option of a collection against a reading of API.md that
// shares nothing with the service's, and follows the links to the last page.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"$top=3&$skip=2&$count=true", "$filter=state eq 'Created' and fileName ge 'a'&$orderby=fileName desc&$select=fileName, state", "$orderby=id asc",
		"$filter=creationDateTime ge 2026-01-02T03:04:06Z&$top=2", "$filter=fileName eq '2026-01-02T03:04:05Z'", "$filter=fileName eq 'it''s'", "$top=0", "$top=1001",
		"$skip=-1", "$count=yes", "$expand=x", "$skiptoken=x", "$select=*,id", "$filter=creationDateTime ge 2026-01-02T03:04:05Z and fileName ge 'a'", "$select=", "$top=1&$top=2", "$bogus=1", "$top=5;$skip=1", "$top=%zz", "", "$orderby=checksum",
		"$filter=fileName ge 2026-01-02T03:04:05Z and creationDateTime eq '2026-01-02T04:04:05+01:00'", "$skip=100", "$top=%2B5", "$orderby=id up", "$filter=id eq 'a'and id eq 'b'",
	} {
		parts := strings.Split(seed, "&")
		for i, part := range parts {
			if name, value, found := strings.Cut(part, "="); found && !strings.ContainsAny(value, "%;") {
				parts[i] = name + "=" + url.QueryEscape(value)
			}
		}
		f.Add(strings.Join(parts, "&"))
	}
	entities := queryEntities()
	f.Fuzz(func(t *testing.T, query string) {
		if options, _ := url.ParseQuery(query); options.Get("$expand") == "uploadAgent" {
			return // which needs records
		}
		want, total, refused := reference(query, entities)
		asked := query
		var got []map[string]any
		for pages := 0; ; pages++ {
			body, err := answerTo(query, entities)
			var bad *failure
			if refused != (err != nil) || err != nil && (!errors.As(err, &bad) || bad.status != http.StatusBadRequest) {
				t.Fatalf("%q is answered %v, want a refusal: %t", query, err, refused)
			}
			if err != nil {
				return
			}
			if count, there := body["@odata.count"]; there && count != float64(total) {
				t.Fatalf("%q counts %v, want %d", query, count, total)
			}
			page, _ := body["value"].([]any)
			if len(page) > pageSize(query) {
				t.Fatalf("%q gives a page of %d", query, len(page))
			}
			for _, one := range page {
				got = append(got, one.(map[string]any))
			}
			next, _ := body["@odata.nextLink"].(string)
			if next == "" {
				break
			}
			link, err := url.Parse(next)
			if err != nil || len(page) == 0 || pages > len(entities) {
				t.Fatalf("%q leads to %q: %v", query, next, err)
			}
			query = link.RawQuery
		}
		if !sameText(got, want) {
			t.Fatalf("%q gives\n%v, want\n%v", asked, got, want)
		}
	})
}

// pageSize is the most entities that a page has.
func pageSize(query string) int {
	options, _ := url.ParseQuery(query)
	if top, err := strconv.Atoi(options.Get("$top")); err == nil {
		return top
	}
	return defaultTop
}

func sameText(a, b []map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return len(a) == 0 && len(b) == 0 || errX == nil && errY == nil && string(x) == string(y)
}

// answerTo is the service's page, as a client reads it.
func answerTo(query string, entities []*shownSession) (map[string]any, error) {
	r := httptest.NewRequest(http.MethodGet, "/beta/x", nil)
	r.URL.RawQuery = query
	out, err := page(&Service{}, r, entities)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(out.body)
	if err != nil {
		return nil, err
	}
	body := map[string]any{}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	all, _ := body["value"].([]any)
	for _, one := range all { // ETags have a test of their own
		delete(one.(map[string]any), "@odata.etag")
	}
	return body, nil
}

var (
	referenceNames = `id|state|uploadAgentId|contentKey|creationDateTime|fileName|checksum`
	referenceTerm  = regexp.MustCompile(`^ *(` + referenceNames + `) +(eq|ge) +(?:'((?:[^']|'')*)' *|([^' ][^ ]*)(?: +|$))(and |$)`)
	referenceOrder = regexp.MustCompile(`^(` + referenceNames + `)(?: (asc|desc)?)?$`)
	wholeNumber    = regexp.MustCompile(`^[-+]?[0-9]+$`)
)

// reference is what a collection answers to a query from $skip on, all pages
// together, and how many entities match; or that the query is refused.
func reference(query string, entities []*shownSession) (rest []map[string]any, total int, refused bool) {
	options, err := url.ParseQuery(query)
	if err != nil {
		return nil, 0, true
	}
	skip := 0
	for name, values := range options {
		value := values[0]
		n, err := strconv.ParseInt(value, 10, 64)
		number := wholeNumber.MatchString(value) && err == nil
		good := map[string]bool{
			"$top": number && n >= 1 && n <= 1000, "$skip": number && n >= 0 && n <= 1<<30, "$count": value == "true" || value == "false",
			"$filter": referenceTerms(value) != nil, "$orderby": referenceOrder.MatchString(value), "$select": referenceSelects(value),
		}[name]
		if !good || len(values) != 1 {
			return nil, 0, true
		}
		if name == "$skip" {
			skip = int(n)
		}
	}
	var all []map[string]any
	for _, one := range entities {
		text, _ := json.Marshal(one)
		entity := map[string]any{}
		_ = json.Unmarshal(text, &entity)
		if !options.Has("$filter") || matchesAll(entity, referenceTerms(options.Get("$filter"))) {
			all = append(all, entity)
		}
	}
	by, descending := "creationDateTime", false
	if order := referenceOrder.FindStringSubmatch(options.Get("$orderby")); order != nil {
		by, descending = order[1], order[2] == "desc"
	}
	// Equal ones are in the order of their ids: each goes behind the last that is not after it.
	slices.SortFunc(all, func(a, b map[string]any) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
	var sorted []map[string]any
	for _, entity := range all {
		at := len(sorted)
		for at > 0 && (referenceLess(by, entity, sorted[at-1]) && !descending || referenceLess(by, sorted[at-1], entity) && descending) {
			at--
		}
		sorted = slices.Insert(sorted, at, entity)
	}
	for _, entity := range sorted[min(skip, len(sorted)):] {
		rest = append(rest, referenceProjection(entity, options))
	}
	return rest, len(sorted), false
}

// referenceTerms are property, operator and value of each term; nil for none.
func referenceTerms(text string) (terms [][3]string) {
	for {
		found := referenceTerm.FindStringSubmatch(text)
		if found == nil {
			return nil
		}
		value := strings.ReplaceAll(found[3], "''", "'")
		if found[4] != "" {
			if _, err := time.Parse(time.RFC3339, found[4]); err != nil {
				return nil
			}
			value = found[4]
		}
		if (found[4] != "") != (found[1] == "creationDateTime") {
			return nil
		}
		terms = append(terms, [3]string{found[1], found[2], value})
		if text = text[len(found[0]):]; found[5] == "" {
			return terms
		}
	}
}

// referenceSelects reports whether a $select names what sessions have.
func referenceSelects(value string) bool {
	const names = " * id creationDateTime startDateTime lastUpdatedDateTime completionDateTime uploadCompletionDateTime processingCompletionDateTime error dataStoreId " +
		"datastoreId uploadAgentId fields fileName checksum dataUploadURI state rowsPerBlock totalBlockCount remainingBlockCount totalJobCount remainingJobCount " +
		"keyId contentKey columns expirationDateTime "
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name == "" || !strings.Contains(names, " "+name+" ") {
			return false
		}
	}
	return true
}

func matchesAll(entity map[string]any, terms [][3]string) bool {
	for _, term := range terms {
		probe := map[string]any{term[0]: term[2]}
		less, more := referenceLess(term[0], entity, probe), referenceLess(term[0], probe, entity)
		if less || term[1] == "eq" && more {
			return false
		}
	}
	return true
}

// referenceLess compares one property: times by time, all else as text.
func referenceLess(property string, a, b map[string]any) bool {
	x, _ := a[property].(string)
	y, _ := b[property].(string)
	if property == "creationDateTime" {
		s, errS := time.Parse(time.RFC3339, x)
		t, errT := time.Parse(time.RFC3339, y)
		if errS == nil && errT == nil {
			return s.Before(t)
		}
	}
	return x < y
}

func referenceProjection(entity map[string]any, options url.Values) map[string]any {
	if !options.Has("$select") || slices.ContainsFunc(strings.Split(options.Get("$select"), ","), func(name string) bool { return strings.TrimSpace(name) == "*" }) {
		return entity
	}
	out := map[string]any{}
	for name, value := range entity {
		for wanted := range strings.SplitSeq(options.Get("$select")+",id", ",") {
			if strings.TrimSpace(wanted) == name {
				out[name] = value
			}
		}
	}
	return out
}
