package openapitest

import "encoding/json"

// closed is a document whose objects have the properties that are declared, and no others.
func closed(text []byte) ([]byte, error) {
	whole := map[string]any{}
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	closeObjects(whole["components"])
	return json.Marshal(whole)
}

func closeObjects(in any) {
	switch in := in.(type) {
	case map[string]any:
		_, declares := in["properties"].(map[string]any)
		if _, open := in["additionalProperties"]; declares && !open && in["type"] == "object" {
			in["unevaluatedProperties"] = false
		}
		for _, value := range in {
			closeObjects(value)
		}
	case []any:
		for _, value := range in {
			closeObjects(value)
		}
	}
}
