package source

import (
	"net/http"
	"net/url"

	"exactmatch.dev/operator/internal/failure"
)

func (w *web) invalid(what string) error {
	return &Error{Reason: failure.SourceInvalid, Source: w.where, Message: what}
}

type web struct {
	url    *url.URL
	where  string
	client *http.Client
	header http.Header
	pin    pin // the size
}

func (w *web) Name() string { return baseName(w.url.Path) }

func (w *web) String() string { return w.where }
