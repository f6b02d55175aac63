package service

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// plainText is an answer's body that is no JSON.
type plainText string

// page applies the options to a collection and makes the answer's body; or says how long the
// collection is, where that is what was asked for.
func page[T any](s *Service, r *http.Request, all []T) (*answer, error) {
	if strings.HasSuffix(r.Pattern, "/$count") {
		o, err := optionsOf[T](r, countOptions)
		return &answer{status: http.StatusOK, body: plainText(strconv.Itoa(len(matching(o, all))))}, err
	}
	o, err := optionsOf[T](r, collectionOptions)
	if err != nil {
		return nil, err
	}
	found := matching(o, all)
	slices.SortFunc(found, func(a, b T) int { return o.compare(placeOf(o, a), placeOf(o, b)) })
	body := map[string]any{}
	if o.count {
		body["@odata.count"] = len(found)
	}
	from := min(o.skip, len(found))
	if o.token != nil {
		last, err := s.placeIn(r, *o.token)
		if err != nil {
			return nil, err
		}
		from = len(found) - len(after(o, last, found))
	}
	to := min(from+o.top, len(found))
	if to < len(found) {
		body["@odata.nextLink"] = s.nextLink(r, placeOf(o, found[to-1]))
	}
	if body["value"], err = entities(s, r, o, found[from:to]); err != nil {
		return nil, err
	}
	return ok(body)
}

// matching are the entities that meet every term.
func matching[T any](o options, all []T) (found []T) {
	for _, one := range all {
		if o.matches(reflect.ValueOf(one)) {
			found = append(found, one)
		}
	}
	return found
}

// after are the entities behind a place, of those that are in order.
func after[T any](o options, last place, found []T) []T {
	at, there := slices.BinarySearchFunc(found, last, func(one T, last place) int { return o.compare(placeOf(o, one), last) })
	if there {
		at++
	}
	return found[at:]
}

// entities are what is shown of those of a page.
func entities[T any](s *Service, r *http.Request, o options, all []T) ([]map[string]any, error) {
	out := make([]map[string]any, 0, len(all))
	for _, one := range all {
		entity, err := asMap(one)
		if err != nil {
			return nil, err
		}
		entity["@odata.etag"] = etagOf(one)
		shown := o.project(entity)
		if o.expanded {
			if shown["uploadAgent"], err = s.agentOf(r, textOf(reflect.ValueOf(one), "uploadAgentId")); err != nil {
				return nil, err
			}
		}
		out = append(out, shown)
	}
	return out, nil
}

// agentOf is an upload agent; nil where there is none.
func (s *Service) agentOf(r *http.Request, id string) (*edm.UploadAgent, error) {
	one, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.Agents, id)
	return one, ignoreNotFound(err)
}

// selected answers one item with the options that an item takes.
func selected[T any](s *Service, r *http.Request, one T) (*answer, error) {
	o, err := optionsOf[T](r, itemOptions)
	if err != nil {
		return nil, err
	}
	tag := "" // which is not that of what is expanded
	if !o.expanded {
		tag = etagOf(one)
		if same, err := unchanged(r, tag); same != nil || err != nil {
			return same, err
		}
	}
	shown, err := entities(s, r, o, []T{one})
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusOK, body: shown[0], etag: tag}, nil
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

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func asMap(one any) (map[string]any, error) {
	text, err := json.Marshal(one)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, json.Unmarshal(text, &out)
}

// textOf is the value of a property of an entity, "" where it has none.
func textOf(entity reflect.Value, name string) string {
	entity = reflect.Indirect(entity)
	for _, p := range propertiesOf(entity.Type()) {
		if p.name == name {
			return textIn(entity, p)
		}
	}
	return ""
}

func textIn(entity reflect.Value, p property) string {
	value := reflect.Indirect(entity).FieldByIndex(p.at)
	if at, is := value.Interface().(*time.Time); is {
		if at == nil {
			return ""
		}
		return at.Format(time.RFC3339Nano)
	}
	return value.String()
}

// matches reports whether an entity meets every term.
func (o *options) matches(entity reflect.Value) bool {
	for _, c := range o.filter {
		p, _ := o.property(c.property)
		order := compareValues(p, textIn(entity, p), c.value)
		if c.operator == "eq" && order != 0 || c.operator == "ge" && order < 0 {
			return false
		}
	}
	return true
}

// compareValues compares the values of a time as times, those of anything else
// as text, also where a name looks like a time.
func compareValues(p property, a, b string) int {
	if p.of == nil || !isTime(p) {
		return cmp.Compare(a, b)
	}
	at, errA := time.Parse(time.RFC3339Nano, a)
	bt, errB := time.Parse(time.RFC3339Nano, b)
	if errA == nil && errB == nil {
		return at.Compare(bt)
	}
	return cmp.Compare(a, b)
}

// project keeps the selected properties; the id always stays.
func (o *options) project(entity map[string]any) map[string]any {
	if o.selected == nil {
		return entity
	}
	out := map[string]any{"id": entity["id"], "@odata.etag": entity["@odata.etag"]}
	for _, name := range o.selected {
		if value, found := entity[name]; found {
			out[name] = value
		}
	}
	return out
}
