package interop

import (
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
)

// The types below are what kiota generates for Graph's resources, by hand: the SDK with
// all of them is huge.

// resource is a data store, a session or an upload agent.
type resource struct {
	odataType, id, displayName, description, fileName, state, salt *string
	dataStoreID, uploadAgentID, dataUploadURI                      *string
	rowsPerBlock, totalBlockCount, remainingBlockCount             *int32
	columns                                                        []serialization.Parsable
}

func newResource(serialization.ParseNode) (serialization.Parsable, error) { return &resource{}, nil }

func (r *resource) strings() map[string]**string {
	return map[string]**string{
		"@odata.type": &r.odataType, "id": &r.id, "displayName": &r.displayName, "description": &r.description, "fileName": &r.fileName, "state": &r.state,
		"salt": &r.salt, "datastoreId": &r.dataStoreID, "uploadAgentId": &r.uploadAgentID, "dataUploadURI": &r.dataUploadURI,
	}
}

func (r *resource) numbers() map[string]**int32 {
	return map[string]**int32{"rowsPerBlock": &r.rowsPerBlock, "totalBlockCount": &r.totalBlockCount, "remainingBlockCount": &r.remainingBlockCount}
}

// Serialize implements Parsable.
func (r *resource) Serialize(w serialization.SerializationWriter) error {
	for name, value := range r.strings() {
		if err := w.WriteStringValue(name, *value); err != nil {
			return err
		}
	}
	for name, value := range r.numbers() {
		if err := w.WriteInt32Value(name, *value); err != nil {
			return err
		}
	}
	if r.columns == nil {
		return nil
	}
	return w.WriteCollectionOfObjectValues("columns", r.columns)
}

// GetFieldDeserializers implements Parsable.
func (r *resource) GetFieldDeserializers() map[string]func(serialization.ParseNode) error {
	out := map[string]func(serialization.ParseNode) error{}
	for name, value := range r.strings() {
		out[name] = func(n serialization.ParseNode) (err error) {
			*value, err = n.GetStringValue()
			return err
		}
	}
	for name, value := range r.numbers() {
		out[name] = func(n serialization.ParseNode) (err error) {
			*value, err = n.GetInt32Value()
			return err
		}
	}
	return out
}

// column is a column of a data store.
type column struct {
	name                        string
	searchable, caseInsensitive bool
}

// Serialize implements Parsable.
func (c *column) Serialize(w serialization.SerializationWriter) error {
	if err := w.WriteStringValue("name", &c.name); err != nil {
		return err
	}
	if err := w.WriteBoolValue("isSearchable", &c.searchable); err != nil {
		return err
	}
	return w.WriteBoolValue("isCaseInsensitive", &c.caseInsensitive)
}

// GetFieldDeserializers implements Parsable.
func (c *column) GetFieldDeserializers() map[string]func(serialization.ParseNode) error { return nil }

// collection is a page of resources.
type collection struct {
	value    []serialization.Parsable
	nextLink *string
}

func newCollection(serialization.ParseNode) (serialization.Parsable, error) {
	return &collection{}, nil
}

// Serialize implements Parsable.
func (c *collection) Serialize(serialization.SerializationWriter) error { return nil }

// GetFieldDeserializers implements Parsable.
func (c *collection) GetFieldDeserializers() map[string]func(serialization.ParseNode) error {
	return map[string]func(serialization.ParseNode) error{
		"value": func(n serialization.ParseNode) (err error) {
			c.value, err = n.GetCollectionOfObjectValues(newResource)
			return err
		},
		"@odata.nextLink": func(n serialization.ParseNode) (err error) {
			c.nextLink, err = n.GetStringValue()
			return err
		},
	}
}

// odataError is Graph's error as its SDKs read it.
type odataError struct {
	abstractions.ApiError
	main *mainError
}

type mainError struct{ code, message *string }

func newODataError(serialization.ParseNode) (serialization.Parsable, error) {
	return &odataError{ApiError: *abstractions.NewApiError()}, nil
}

// Serialize implements Parsable.
func (e *odataError) Serialize(serialization.SerializationWriter) error { return nil }

// GetFieldDeserializers implements Parsable.
func (e *odataError) GetFieldDeserializers() map[string]func(serialization.ParseNode) error {
	return map[string]func(serialization.ParseNode) error{"error": func(n serialization.ParseNode) error {
		main, err := n.GetObjectValue(func(serialization.ParseNode) (serialization.Parsable, error) { return &mainError{}, nil })
		if err == nil {
			e.main, _ = main.(*mainError)
		}
		return err
	}}
}

// Serialize implements Parsable.
func (m *mainError) Serialize(serialization.SerializationWriter) error { return nil }

// GetFieldDeserializers implements Parsable.
func (m *mainError) GetFieldDeserializers() map[string]func(serialization.ParseNode) error {
	read := func(into **string) func(serialization.ParseNode) error {
		return func(n serialization.ParseNode) (err error) {
			*into, err = n.GetStringValue()
			return err
		}
	}
	return map[string]func(serialization.ParseNode) error{"code": read(&m.code), "message": read(&m.message)}
}
