package service

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTop = 100
	maxTop     = 1000
)

// options are the OData options of a request.
type options struct {
	top, skip     int
	count         bool
	filter        []comparison
	orderBy       string
	descending    bool
	selected      []string
	expandedAgent bool
}

// comparison is one term of $filter: property, "eq" or "ge", and the value.
type comparison struct{ property, operator, value string }

// creation is the one filterable property that is a time.
const creation = "creationDateTime"

// filterable are the properties that $filter and $orderby take.
var filterable = []string{"id", "state", "uploadAgentId", "contentKey", creation, "displayName", "description", "fileName", "checksum"}

// optionsOf reads the options of a request. Anything that it does not know is a
// clear 400.
func optionsOf(r *http.Request) (options, error) {
	o := options{top: defaultTop}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return o, badRequest("the query is malformed")
	}
	for name, values := range query {
		if len(values) != 1 {
			return o, badRequest("the option %q is given more than once", name)
		}
		if err := o.set(name, values[0]); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *options) set(name, value string) (err error) {
	switch name {
	case "$top":
		o.top, err = number(name, value, 1, maxTop)
	case "$skip":
		o.skip, err = number(name, value, 0, 1<<30)
	case "$count":
		if value != "true" && value != "false" {
			return badRequest("$count must be true or false")
		}
		o.count = value == "true"
	case "$filter":
		o.filter, err = parseFilter(value)
	case "$orderby":
		err = o.setOrder(value)
	case "$select":
		o.selected = strings.Split(value, ",")
	case "$expand":
		if value != "uploadAgent" {
			return badRequest("$expand supports uploadAgent only")
		}
		o.expandedAgent = true
	default:
		return badRequest("the option %q is not supported; $top, $skip, $count, $filter, $orderby, $select and $expand are", name)
	}
	return err
}

func number(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, badRequest("%s must be a whole number from %d to %d", name, least, most)
	}
	return n, nil
}

func (o *options) setOrder(value string) error {
	property, direction, _ := strings.Cut(value, " ")
	if !slices.Contains(filterable, property) {
		return badRequest("$orderby does not support %q; it supports %s", property, strings.Join(filterable, ", "))
	}
	if direction != "" && direction != "asc" && direction != "desc" {
		return badRequest("$orderby must end in asc or desc")
	}
	o.orderBy, o.descending = property, direction == "desc"
	return nil
}

// parseFilter reads terms of eq and ge joined by and. A string value stands in
// single quotes, a quote in it is doubled; a time stands bare.
func parseFilter(text string) ([]comparison, error) {
	var terms []comparison
	for {
		var c comparison
		var found bool
		text = strings.TrimLeft(text, " ")
		if c.property, text, found = strings.Cut(text, " "); !found || !slices.Contains(filterable, c.property) {
			return nil, badRequest("$filter does not support %q; it supports %s", c.property, strings.Join(filterable, ", "))
		}
		text = strings.TrimLeft(text, " ")
		if c.operator, text, found = strings.Cut(text, " "); !found || c.operator != "eq" && c.operator != "ge" {
			return nil, badRequest("$filter supports eq and ge, joined by and, not %q", c.operator)
		}
		var err error
		if c.value, text, err = filterValue(strings.TrimLeft(text, " ")); err != nil {
			return nil, err
		}
		terms = append(terms, c)
		text = strings.TrimLeft(text, " ")
		if text == "" {
			return terms, nil
		}
		if text, found = strings.CutPrefix(text, "and "); !found {
			return nil, badRequest("$filter must join its terms by and")
		}
	}
}

// filterValue takes a value off the front.
func filterValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, "'") {
		value, rest, _ = strings.Cut(text, " ")
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return "", "", badRequest("a value in $filter must be a string in single quotes or a time such as 2026-01-02T03:04:05Z")
		}
		return value, rest, nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), text[i+1:], nil
	}
	return "", "", badRequest("a string in $filter is not terminated")
}

// page applies the options to a collection and makes the answer's body.
func page[T any](s *Service, r *http.Request, all []T) (*answer, error) {
	o, err := optionsOf(r)
	if err != nil {
		return nil, err
	}
	entities := make([]map[string]any, 0, len(all))
	for _, one := range all {
		entity, err := asMap(one)
		if err != nil {
			return nil, err
		}
		if o.matches(entity) {
			entities = append(entities, entity)
		}
	}
	slices.SortStableFunc(entities, o.compare)
	body := map[string]any{}
	if o.count {
		body["@odata.count"] = len(entities)
	}
	from := min(o.skip, len(entities))
	to := min(from+o.top, len(entities))
	if to < len(entities) {
		body["@odata.nextLink"] = s.nextLink(r, to)
	}
	out := make([]map[string]any, 0, to-from)
	for _, entity := range entities[from:to] {
		out = append(out, o.project(entity))
	}
	body["value"] = out
	return ok(body)
}

func (s *Service) nextLink(r *http.Request, skip int) string {
	query := r.URL.Query()
	query.Set("$skip", strconv.Itoa(skip))
	return s.link(r, r.URL.EscapedPath(), query.Encode())
}

// link leads to another call, of the host that the request was sent to: a caller that
// comes by another name than the base of upload URIs has goes on by it.
func (s *Service) link(r *http.Request, path, query string) string {
	scheme := schemeOf(r)
	if outside, err := url.Parse(s.config.PublicURL); err == nil && outside.Host != "" && outside.Host == r.Host {
		scheme = outside.Scheme // by which a proxy is reached that ends TLS
	}
	link := scheme + "://" + r.Host + path
	if query != "" {
		link += "?" + query
	}
	return link
}

func asMap(one any) (map[string]any, error) {
	text, err := json.Marshal(one)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, json.Unmarshal(text, &out)
}

func textOf(entity map[string]any, property string) string {
	text, _ := entity[property].(string)
	return text
}

// matches reports whether an entity meets every term.
func (o options) matches(entity map[string]any) bool {
	for _, c := range o.filter {
		order := compareValues(c.property, textOf(entity, c.property), c.value)
		if c.operator == "eq" && order != 0 || c.operator == "ge" && order < 0 {
			return false
		}
	}
	return true
}

// compareValues compares the values of a time as times, those of anything else
// as text, also where a name looks like a time.
func compareValues(property, a, b string) int {
	if property != creation {
		return cmp.Compare(a, b)
	}
	at, errA := time.Parse(time.RFC3339Nano, a)
	bt, errB := time.Parse(time.RFC3339Nano, b)
	if errA == nil && errB == nil {
		return at.Compare(bt)
	}
	return cmp.Compare(a, b)
}

func (o options) compare(a, b map[string]any) int {
	property := o.orderBy
	if property == "" {
		property = creation
	}
	order := compareValues(property, textOf(a, property), textOf(b, property))
	if o.descending {
		return -order
	}
	return order
}

// project keeps the selected properties; the id always stays.
func (o options) project(entity map[string]any) map[string]any {
	if len(o.selected) == 0 {
		return entity
	}
	out := map[string]any{"id": entity["id"]}
	for _, name := range o.selected {
		if value, found := entity[strings.TrimSpace(name)]; found {
			out[strings.TrimSpace(name)] = value
		}
	}
	return out
}

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// selected answers one item with the options that an item takes.
func selected(r *http.Request, one any) (*answer, error) {
	o, err := optionsOf(r)
	if err != nil {
		return nil, err
	}
	if len(o.selected) == 0 {
		return &answer{http.StatusOK, one}, nil
	}
	entity, err := asMap(one)
	if err != nil {
		return nil, err
	}
	return ok(o.project(entity))
}
