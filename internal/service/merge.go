package service

import "encoding/json"

// patched is a property of a PATCH. A body that does not name it leaves what is there,
// null stands for nothing.
type patched[T any] struct {
	named bool
	value T
}

// UnmarshalJSON is called for null, too.
func (p *patched[T]) UnmarshalJSON(text []byte) error {
	p.named = true
	return json.Unmarshal(text, &p.value)
}

// into changes what is there, where the body named the property.
func (p patched[T]) into(there *T) {
	if p.named {
		*there = p.value
	}
}
