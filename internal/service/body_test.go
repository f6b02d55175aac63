package service

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

// gzipped compresses texts, each as a member of its own.
func gzipped(t *testing.T, texts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&out)
		if _, err := io.Copy(w, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// bombOf compresses a text, followed by the given number of mebibytes of one character, as identical gzip members.
func bombOf(t *testing.T, text, filler string, mebibytes int) []byte {
	t.Helper()
	return append(gzipped(t, text), bytes.Repeat(gzipped(t, strings.Repeat(filler, 1<<20)), mebibytes)...)
}

// descriptionOf is what is kept of an upload agent.
func (h *harness) descriptionOf(id string) string {
	h.t.Helper()
	one, err := records.Get(h.t.Context(), h.records.Of(""), records.Tx.Agents, id)
	h.must(err)
	return one.Description
}

// Graph's clients compress their bodies without being asked to.
func TestCompressedBodies(t *testing.T) {
	const text = `{"description":"sent compressed"}`
	for encoding, body := range map[string][]byte{
		"": []byte(text), "identity": []byte(text), "gzip": gzipped(t, text), "GZIP": gzipped(t, text), "x-gzip": gzipped(t, text), "X-GZIP": gzipped(t, text[:9], text[9:]),
	} {
		t.Run(encoding, func(t *testing.T) {
			h := newHarness(t)
			_, w := h.call(http.MethodPatch, base+"/exactMatchUploadAgents/agent", "Content-Encoding: "+encoding, body)
			if got := h.descriptionOf("agent"); w.Code != http.StatusOK || got != "sent compressed" {
				t.Errorf("%d %s, and %q is kept", w.Code, w.Body, got)
			}
		})
	}
}

func TestBodiesThatCannotBeRead(t *testing.T) {
	const text = `{"description":"x"}`
	whole := gzipped(t, text)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-8] ^= 1 // of the sum
	for name, tc := range map[string]struct {
		encoding string
		body     []byte
		status   int
		code     string
		says     string
	}{
		"another encoding": {"br", whole, http.StatusUnsupportedMediaType, edm.CodeUnsupportedMedia, `"br"`},
		"two encodings":    {"gzip, gzip", whole, http.StatusUnsupportedMediaType, edm.CodeUnsupportedMedia, "gzip"},
		"not compressed":   {"gzip", []byte(text), http.StatusBadRequest, edm.CodeBadRequest, "gzip"},
		"cut off":          {"gzip", whole[:len(whole)-9], http.StatusBadRequest, edm.CodeBadRequest, "gzip"},
		"another sum":      {"gzip", damaged, http.StatusBadRequest, edm.CodeBadRequest, "gzip"},
		"two texts":        {"gzip", gzipped(t, text, text), http.StatusBadRequest, edm.CodeBadRequest, "JSON"},
		"more behind it":   {"", []byte(text + "{}"), http.StatusBadRequest, edm.CodeBadRequest, "JSON"},
		"nothing":          {"", nil, http.StatusBadRequest, edm.CodeBadRequest, "JSON"},
		"too long":         {"", []byte(`{"description":"` + strings.Repeat("x", maxRequestBody) + `"}`), http.StatusRequestEntityTooLarge, edm.CodeTooLarge, "1048576"},
		"a bomb":           {"gzip", bombOf(t, text, " ", 64), http.StatusRequestEntityTooLarge, edm.CodeTooLarge, "1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			r, w := h.call(http.MethodPatch, base+"/exactMatchUploadAgents/agent", "Content-Encoding: "+tc.encoding, tc.body)
			code, message := refusal(t, w)
			if w.Code != tc.status || code != tc.code || !strings.Contains(message, tc.says) {
				t.Errorf("%d %s %s", w.Code, code, message)
			}
			if takes := w.Header().Get("Accept-Encoding"); (takes == "gzip") != (tc.status == http.StatusUnsupportedMediaType) {
				t.Errorf("Accept-Encoding is %q", takes)
			}
			checkAnswer(t, r, w)
			if h.changed() {
				t.Error("a record was changed")
			}
		})
	}
}

// Questions are read at once, and refused as any other body is.
func TestBodiesOfQuestionsAreReadWhole(t *testing.T) {
	h := newHarness(t)
	for _, action := range []string{"lookup", "match"} {
		body := map[string]string{"lookup": lookup, "match": match}[action]
		for _, behind := range []string{"{}", "]", "}", "x", body} {
			if _, w := h.call(http.MethodPost, base+"/exactMatchDataStores/live/"+action, "", []byte(body+behind)); w.Code != http.StatusBadRequest {
				t.Errorf("%s with %s behind it is answered %d %s", action, behind, w.Code, w.Body)
			}
		}
		if _, w := h.call(http.MethodPost, base+"/exactMatchDataStores/live/"+action, "", []byte(body+" \n")); w.Code != http.StatusOK {
			t.Errorf("%s is answered %d %s", action, w.Code, w.Body)
		}
	}
}

// counted counts what is read of a body.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

// Of a bomb no more is read than what is inflated up to the bound.
func TestABombIsNotInflated(t *testing.T) {
	bomb := bombOf(t, `{"description":"`, "x", 256)
	body := &counted{Reader: bytes.NewReader(bomb)}
	r := httptest.NewRequest(http.MethodPost, base+"/exactMatchUploadAgents", io.MultiReader(body)) // without a length
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("Authorization", "Bearer "+fuzzToken)
	h := newHarness(t)
	inflated, err := uncompressed(r)
	h.must(err)
	r.Body = inflated
	var into edm.UploadAgent
	if err := decode(r, &into); err == nil || !strings.Contains(err.Error(), edm.CodeTooLarge) {
		t.Errorf("it is answered %v", err)
	}
	if most := len(bomb) / 50; body.read > most {
		t.Errorf("%d of %d bytes are read, want at most %d", body.read, len(bomb), most)
	}
}

// Who may not call is told so first.
func TestAnEncodingIsJudgedForCallersAlone(t *testing.T) {
	c := withCallers(t)
	for token, want := range map[string]int{"": http.StatusUnauthorized, tokenOf("r"): http.StatusForbidden, tokenOf("u"): http.StatusUnsupportedMediaType} {
		for _, path := range []string{"/exactMatchUploadAgents/agent", "/exactMatchUploadAgents/absent"} {
			r := httptest.NewRequest(http.MethodPatch, base+path, strings.NewReader("{}"))
			r.Header.Set("Content-Encoding", "br")
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			if c.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s by %q: %d, want %d", path, token, w.Code, want)
			}
		}
	}
}

// Blocks and their list come as they are: a block's sum is that of its bytes.
func TestUploadsAreNotCompressed(t *testing.T) {
	h := newHarness(t)
	uri := h.blockURI("created")
	for target, want := range map[string]string{
		uri: "400 UnsupportedHeader", strings.Split(uri, "&comp=")[0] + "&comp=blocklist": "400 UnsupportedHeader", strings.Replace(uri, "sig=", "sig=x", 1): "403 AuthenticationFailed",
	} {
		_, w := h.call(http.MethodPut, target, "Content-Encoding: gzip", gzipped(t, string(h.data[1])))
		if got := fmt.Sprint(w.Code, " ", w.Header().Get("x-ms-error-code")); got != want {
			t.Errorf("it is answered %s: %s", got, w.Body)
		}
	}
	if len(h.staged("created")) != 0 {
		t.Error("a block was staged")
	}
}
