package openapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPartsAreJoined(t *testing.T) {
	into := map[string]any{"paths": map[string]any{"/a": 1}}
	if err := merge(into, map[string]any{"paths": map[string]any{"/b": 2}, "info": 3}); err != nil {
		t.Fatal(err)
	}
	if paths := into["paths"].(map[string]any); paths["/a"] != 1 || paths["/b"] != 2 || into["info"] != 3 {
		t.Errorf("the parts became %v", into)
	}
	if err := merge(into, map[string]any{"paths": map[string]any{"/a": 4}}); err == nil || !strings.Contains(err.Error(), "paths: /a") {
		t.Errorf("a path of two parts is refused by %v", err)
	}
}

// The document is served with a tag, by which a caller asks whether it has changed.
func TestDocumentIsServed(t *testing.T) {
	ask := func(method, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/openapi.json", nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		Serve(w, r)
		return w
	}
	text, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	whole := ask(http.MethodGet, "")
	if whole.Code != http.StatusOK || whole.Body.String() != string(text) || whole.Header().Get("Content-Type") != "application/json" {
		t.Errorf("it is answered with %d %v", whole.Code, whole.Header())
	}
	tag := whole.Header().Get("ETag")
	if same := ask(http.MethodGet, tag); same.Code != http.StatusNotModified || same.Body.Len() != 0 {
		t.Errorf("under %s it is %d", tag, same.Code)
	}
	if other := ask(http.MethodGet, `"another"`); other.Code != http.StatusOK {
		t.Errorf("under another tag it is %d", other.Code)
	}
	if head := ask(http.MethodHead, ""); head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("ETag") != tag {
		t.Errorf("HEAD is answered with %d %v", head.Code, head.Header())
	}
}
