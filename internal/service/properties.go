package service

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// checkText refuses a body that has not the form of a type, and names what is wrong as it
// was sent. encoding/json drops what it does not know, and all but the last of what is
// there twice: a caller that errs in a name is to learn it.
func checkText(text []byte, of reflect.Type) error {
	if !json.Valid(text) {
		return badRequest("the body is not valid JSON for this call")
	}
	if f := checkValue(text, of, ""); f != nil {
		return f
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// checkValue refuses a value of another form. at is its path.
func checkValue(text json.RawMessage, of reflect.Type, at string) *failure {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if at != "" && string(text) == "null" {
		return nil
	}
	if !reflect.PointerTo(of).Implements(unmarshaler) {
		switch of.Kind() {
		case reflect.Struct, reflect.Map:
			return checkObject(text, of, at)
		case reflect.Slice:
			return checkArray(text, of, at)
		default:
		}
	}
	if json.Unmarshal(text, reflect.New(of).Interface()) != nil {
		return badProperty(at, "must be %s", formOf(of))
	}
	return nil
}

// badProperty refuses a body for one of its properties; "" is all of it.
func badProperty(at, format string, args ...any) *failure {
	f := badRequest("%s "+format, append([]any{cmp.Or(at, "the body")}, args...)...)
	f.target = at
	return f
}

func formOf(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "a time such as 2026-01-02T03:04:05Z"
	case of.Kind() == reflect.Bool:
		return "true or false"
	case of.Kind() == reflect.Int32:
		return fmt.Sprintf("a whole number from %d to %d", math.MinInt32, math.MaxInt32)
	case of.Kind() == reflect.Int, of.Kind() == reflect.Int64:
		return "a whole number"
	}
	return "a string"
}

func checkArray(text json.RawMessage, of reflect.Type, at string) *failure {
	var all []json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return badProperty(at, "must be an array")
	}
	for i, one := range all {
		if f := checkValue(one, of.Elem(), fmt.Sprintf("%s[%d]", at, i)); f != nil {
			return f
		}
	}
	return nil
}

// checkObject refuses a property that is not known, and one that is there twice with
// different values.
func checkObject(text json.RawMessage, of reflect.Type, at string) *failure {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return badProperty(at, "must be an object")
	}
	seen := map[string]json.RawMessage{}
	for d.More() {
		name, value := nextProperty(d)
		path := strings.TrimPrefix(at+"."+name, ".")
		key := name
		if of.Kind() == reflect.Struct {
			key = strings.ToLower(name) // as encoding/json tells them apart
		}
		if first, twice := seen[key]; twice && !bytes.Equal(first, value) {
			return badProperty(path, "is there twice with different values: send it once")
		}
		seen[key] = value
		if f := checkProperty(of, name, value, path); f != nil {
			return f
		}
	}
	return nil
}

// nextProperty reads one of an object that is known to be valid.
func nextProperty(d *json.Decoder) (name string, value json.RawMessage) {
	token, err := d.Token()
	name, _ = token.(string)
	if err == nil {
		_ = d.Decode(&value)
	}
	return name, value
}

func checkProperty(of reflect.Type, name string, value json.RawMessage, path string) *failure {
	if of.Kind() == reflect.Map {
		return checkValue(value, of.Elem(), path)
	}
	known := propertiesOf(of)
	at := slices.IndexFunc(known, func(p property) bool { return strings.EqualFold(p.name, name) })
	switch {
	case at >= 0:
		return checkValue(value, known[at].of, path)
	case strings.Contains(name, "@") && !strings.HasSuffix(name, "@odata.bind"):
		return nil // control information
	}
	return badProperty(path, "is not known here: leave it out, or correct its name; known are %s", strings.Join(namesIn(of), ", "))
}

// property is one that a type has in JSON.
type property struct {
	name string
	of   reflect.Type
	at   []int // of its field
}

// propertiesOf are those of a struct, with those of the structs that it embeds.
func propertiesOf(of reflect.Type) (out []property) {
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || !field.IsExported() || name == "-" || strings.HasPrefix(name, "@") {
			continue
		}
		out = append(out, property{cmp.Or(name, field.Name), field.Type, field.Index})
	}
	return out
}

// namesIn are the names of a struct's properties.
func namesIn(of reflect.Type) (names []string) {
	for _, p := range propertiesOf(of) {
		names = append(names, p.name)
	}
	return names
}
