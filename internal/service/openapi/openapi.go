// Package openapi is the OpenAPI 3.1 description of the service. Its source is the files in
// document, each a part by itself; Document joins them.
//
// The package's tests hold its schemas against the types of package edm, and those of
// package service its paths, statuses and codes against the handlers: every answer that
// those tests bring about is validated against it (package openapitest).
package openapi

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"sync"
	"time"

	"sigs.k8s.io/yaml"
)

//go:embed document/*.yaml
var parts embed.FS

// Document is the description in JSON.
var Document = sync.OnceValues(join)

// join reads the parts, in the order of their names, and joins them. A thing that two of them
// have is an error.
func join() ([]byte, error) {
	files, err := parts.ReadDir("document")
	if err != nil {
		return nil, err
	}
	whole := map[string]any{}
	for _, file := range files {
		text, err := parts.ReadFile(path.Join("document", file.Name()))
		if err != nil {
			return nil, err
		}
		part := map[string]any{}
		if err := yaml.UnmarshalStrict(text, &part); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		if err := merge(whole, part); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	return json.Marshal(whole)
}

// merge adds a part: "components" and "paths" are joined name by name.
func merge(into, part map[string]any) error {
	for name, value := range part {
		there, found := into[name]
		if !found {
			into[name] = value
			continue
		}
		a, isMap := there.(map[string]any)
		b, andThis := value.(map[string]any)
		if !isMap || !andThis {
			return fmt.Errorf("%s is there already", name)
		}
		if err := merge(a, b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Serve answers with the description. It is the same for everybody and says nothing of
// anybody's data, so no caller is asked for.
func Serve(w http.ResponseWriter, r *http.Request) {
	text, err := Document()
	if err != nil {
		http.Error(w, "the description cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(text))[:17]+`"`)
	http.ServeContent(w, r, "openapi.json", time.Time{}, bytes.NewReader(text))
}
