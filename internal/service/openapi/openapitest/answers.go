package openapitest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Answer is one that a document has of an operation. Code is that of an error.
type Answer struct {
	Operation string
	Status    int
	Code      string
}

// AnswersOf lists all answers of a document whose responses are components.
func AnswersOf(text []byte) ([]Answer, error) {
	text, err := withElsewhere(text)
	if err != nil {
		return nil, err
	}
	var is description
	if err := json.Unmarshal(text, &is); err != nil {
		return nil, err
	}
	var all []Answer
	for path, methods := range is.Paths {
		for method, raw := range methods {
			var of struct {
				Responses map[string]response `json:"responses"`
			}
			if !IsMethod(method) {
				continue
			}
			if err := json.Unmarshal(raw, &of); err != nil {
				return nil, err
			}
			for status, one := range of.Responses {
				number, err := strconv.Atoi(status)
				if err != nil {
					return nil, err
				}
				for _, code := range is.codes(one) {
					all = append(all, Answer{strings.ToUpper(method) + " " + path, number, code})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Answer) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code))
	})
	return all, nil
}

type description struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Responses map[string]response `json:"responses"`
	} `json:"components"`
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

type schema struct {
	Enum       []string          `json:"enum"`
	Properties map[string]schema `json:"properties"`
}

// codes are those of an error, or "" alone of any other answer.
func (d *description) codes(one response) []string {
	if name, is := strings.CutPrefix(one.Ref, "#/components/responses/"); is {
		one = d.Components.Responses[name]
	}
	for _, content := range one.Content {
		if codes := content.Schema.Properties["error"].Properties["code"].Enum; codes != nil {
			return codes
		}
		if codes := content.Schema.Properties["Code"].Enum; codes != nil {
			return codes
		}
	}
	return []string{""}
}
