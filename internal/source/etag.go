package source

import "sync"

// etag is the strong entity tag of the first answer.
type etag struct {
	mu    sync.Mutex
	value string
}

func (e *etag) get() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.value
}

func (e *etag) set(tag string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.value == "" {
		e.value = tag
	}
}
