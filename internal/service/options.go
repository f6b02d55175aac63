package service

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTop = 100
	maxTop     = 1000
)

// What calls take.
var (
	itemOptions       = []string{"$select", "$expand"}
	countOptions      = []string{"$filter"}
	collectionOptions = []string{"$top", "$skip", "$skiptoken", "$count", "$filter", "$orderby", "$select", "$expand"}
)

// options are the OData options of a request for entities of one kind.
type options struct {
	of         reflect.Type // struct
	top, skip  int
	count      bool
	filter     []comparison
	orderBy    property
	descending bool
	selected   []string // nil for everything
	expanded   bool     // the upload agent
	token      *string
}

// comparison is one term of $filter: property, "eq" or "ge", and the value.
type comparison struct {
	property, operator, value string
	quoted                    bool
}

// creation is what a collection is in the order of, unless it is asked for another one.
const creation = "creationDateTime"

// filterable are the properties that $filter and $orderby take, of the kinds that have
// them.
var filterable = []string{"id", "state", "uploadAgentId", "contentKey", creation, "displayName", "description", "fileName", "checksum"}

// optionsOf reads the options of a request for entities of the kind of T. Anything that the
// call does not take is a clear 400.
func optionsOf[T any](r *http.Request, takes []string) (options, error) {
	o := options{top: defaultTop, of: structOf(reflect.TypeFor[T]())}
	o.orderBy, _ = o.property(creation)
	query, err := queryOf(r)
	if err != nil {
		return o, err
	}
	for name, values := range query {
		if !slices.Contains(takes, name) {
			return o, badRequest("the option %q is not supported for this call; %s are", name, strings.Join(takes, ", "))
		}
		if len(values) != 1 {
			return o, badRequest("the option %q is given more than once", name)
		}
		if err := o.set(name, values[0]); err != nil {
			return o, err
		}
	}
	if o.token != nil && query.Has("$skip") {
		return o, badRequest("$skip and $skiptoken cannot be combined: a $skiptoken says where to go on")
	}
	return o, nil
}

func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query is malformed")
	}
	return query, nil
}

// withoutOptions refuses every option of a call that takes none.
func withoutOptions(handle handler) handler {
	return func(r *http.Request) (*answer, error) {
		query, err := queryOf(r)
		if err != nil {
			return nil, err
		}
		for name := range query {
			return nil, badRequest("the option %q is not supported: this call takes none", name)
		}
		return handle(r)
	}
}

func (o *options) set(name, value string) (err error) {
	switch name {
	case "$top":
		o.top, err = number(name, value, 1, maxTop)
	case "$skip":
		o.skip, err = number(name, value, 0, 1<<30)
	case "$skiptoken":
		o.token = &value
	case "$count":
		if value != "true" && value != "false" {
			return badRequest("$count must be true or false")
		}
		o.count = value == "true"
	case "$filter":
		err = o.setFilter(value)
	case "$orderby":
		err = o.setOrder(value)
	case "$select":
		err = o.setSelected(value)
	case "$expand":
		if o.of != reflect.TypeFor[shownSession]() || value != "uploadAgent" {
			return badRequest("$expand supports uploadAgent of a session only")
		}
		o.expanded = true
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

// property finds one of the kind that $filter and $orderby take.
func (o *options) property(name string) (property, bool) {
	if !slices.Contains(filterable, name) {
		return property{}, false
	}
	all := propertiesOf(o.of)
	at := slices.IndexFunc(all, func(p property) bool { return p.name == name })
	if at < 0 {
		return property{}, false
	}
	return all[at], true
}

// supported are the properties that $filter and $orderby take here.
func (o *options) supported() string {
	here := slices.DeleteFunc(slices.Clone(filterable), func(name string) bool {
		_, there := o.property(name)
		return !there
	})
	return strings.Join(here, ", ")
}

func (o *options) setOrder(value string) error {
	name, direction, _ := strings.Cut(value, " ")
	by, found := o.property(name)
	if !found {
		return badRequest("$orderby does not support %q here; it supports %s", name, o.supported())
	}
	if direction != "" && direction != "asc" && direction != "desc" {
		return badRequest("$orderby must end in asc or desc")
	}
	o.orderBy, o.descending = by, direction == "desc"
	return nil
}

// setSelected takes names that the kind has; * is all of them.
func (o *options) setSelected(value string) error {
	all := namesIn(o.of)
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "*" && !slices.Contains(all, name) {
			return badRequest("$select does not support %q here; it supports %s", name, strings.Join(all, ", "))
		}
		o.selected = append(o.selected, name)
	}
	if slices.Contains(o.selected, "*") {
		o.selected = nil
	}
	return nil
}

// setFilter takes terms of properties that the kind has, each with a value of its type.
func (o *options) setFilter(value string) (err error) {
	if o.filter, err = parseFilter(value); err != nil {
		return err
	}
	for _, c := range o.filter {
		p, found := o.property(c.property)
		if !found {
			return badRequest("$filter does not support %q here; it supports %s", c.property, o.supported())
		}
		if isTime(p) == c.quoted {
			return badRequest("$filter compares %s with %s", c.property, map[bool]string{true: "a time such as 2026-01-02T03:04:05Z, without quotes", false: "a string in single quotes"}[isTime(p)])
		}
	}
	return nil
}

func isTime(p property) bool { return structOf(p.of) == reflect.TypeFor[time.Time]() }

// structOf is what a type points at.
func structOf(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	return of
}

// parseFilter reads terms of eq and ge joined by and. A string value stands in
// single quotes, a quote in it is doubled; a time stands bare.
func parseFilter(text string) ([]comparison, error) {
	var terms []comparison
	for {
		var c comparison
		var found bool
		text = strings.TrimLeft(text, " ")
		if c.property, text, found = strings.Cut(text, " "); !found {
			return nil, badRequest("$filter must be terms such as state eq 'Created', joined by and")
		}
		text = strings.TrimLeft(text, " ")
		if c.operator, text, found = strings.Cut(text, " "); !found || c.operator != "eq" && c.operator != "ge" {
			return nil, badRequest("$filter supports eq and ge, joined by and, not %q", c.operator)
		}
		var err error
		c.quoted = strings.HasPrefix(strings.TrimLeft(text, " "), "'")
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
