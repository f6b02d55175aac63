package openapitest

import (
	"encoding/xml"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi-validator/content"
	"github.com/pb33f/libopenapi/datamodel/high/base"
)

type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// decodeXML makes a value of a document, without its root, as its schema wants it. The
// library's own decoder takes an object without elements for a text.
func decodeXML(in *content.DecodeInput) (any, error) {
	var root element
	if err := xml.NewDecoder(in.Body).Decode(&root); err != nil {
		return nil, err
	}
	return root.value(in.Schema), nil
}

func (e element) value(as *base.Schema) any {
	text := strings.TrimSpace(e.Text)
	switch {
	case len(e.Children) > 0 || is(as, "object"):
	case as != nil && len(as.Type) > 0:
		return content.ParseScalar(text, as.Type[0])
	default:
		return text
	}
	object := map[string]any{}
	for _, child := range e.Children {
		name := child.XMLName.Local
		property := propertyOf(as, name)
		if !is(property, "array") {
			object[name] = child.value(property)
			continue
		}
		all, _ := object[name].([]any)
		object[name] = append(all, child.value(property.Items.A.Schema()))
	}
	return object
}

func is(schema *base.Schema, kind string) bool {
	return schema != nil && slices.Contains(schema.Type, kind)
}

func propertyOf(schema *base.Schema, name string) *base.Schema {
	if schema == nil || schema.Properties == nil {
		return nil
	}
	if property := schema.Properties.GetOrZero(name); property != nil {
		return property.Schema()
	}
	return nil
}
