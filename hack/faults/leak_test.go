package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	. "github.com/onsi/gomega"
	"github.com/prometheus/common/expfmt"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"exactmatch.dev/operator/hack/leaks"
	"exactmatch.dev/operator/internal/fingerprint"
	"exactmatch.dev/operator/internal/schema"
)

// search is the one of the whole run: its report ends it.
var search = &leaks.Search{}

// logged is what managers, services and libraries log in this process.
var logged = &journal{}

// journal keeps what is written to it.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) lines() [][]byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Split(bytes.Clone(j.text.Bytes()), []byte("\n"))
}

// told are the canaries of all cases, which the logs are searched for in the end.
var told struct {
	sync.Mutex
	canaries map[string]leaks.Canary
}

// someRows are those whose cells are canaries.
var someRows = []int{0, 7, 29}

// owned are the canaries that stand nowhere but in Secrets, sources and memory.
func (w *testEnv) owned() []leaks.Canary {
	found := []leaks.Canary{{Name: "the bearer token", Secret: []byte(bearer)}, {Name: "the store's key", Secret: []byte(storeKey)}, {Name: "a stranger's page", Secret: []byte("do-not-show")}}
	for _, n := range someRows {
		for _, edition := range []string{"old", "new"} {
			found = append(found, leaks.Canary{Name: "a cell", Secret: []byte(rowOf(edition, n)["Email"])})
		}
	}
	return found
}

// canaries are owned, the signatures of upload URIs, and the tokens, which the
// service keeps.
func (w *testEnv) canaries() []leaks.Canary {
	found := append(w.owned(), w.proxy.signatures()...)
	key, err := fingerprint.NewKey([]byte(storeKey))
	w.Expect(err).NotTo(HaveOccurred())
	hasher, err := key.Hasher(w.namespace, schema.Column{Name: "Email", IsCaseInsensitive: true})
	w.Expect(err).NotTo(HaveOccurred())
	for _, n := range someRows {
		for _, edition := range []string{"old", "new"} {
			found = append(found, leaks.Canary{Name: "a token", Secret: hasher.AppendToken(nil, []byte(rowOf(edition, n)["Email"]))})
		}
	}
	told.Lock()
	defer told.Unlock()
	if told.canaries == nil {
		told.canaries = map[string]leaks.Canary{}
	}
	for _, c := range found {
		told.canaries[string(c.Secret)] = c
	}
	return found
}

var signed = regexp.MustCompile(`[?&](?:amp;)?sig=([A-Za-z0-9%_.~-]{8,})`)

// signatures are those of the upload URIs that were issued.
func (f *faultProxy) signatures() (found []leaks.Canary) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for sig := range f.issued {
		found = append(found, leaks.Canary{Name: "a signature", Secret: []byte(sig)})
	}
	return found
}

// overhear keeps the signatures that an answer issues, and an error's body.
func (f *faultProxy) overhear(c *call, status int, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, sig := range signed.FindAllSubmatch(bytes.ReplaceAll(body, []byte(`\u0026`), []byte("&")), -1) {
		f.issued[string(sig[1])] = true
	}
	if status >= http.StatusBadRequest {
		f.errors = append(f.errors, fmt.Sprintf("%s %s: %d %s", c.Method, c.URL.Path, status, body))
	}
}

// nothingLeaked: no signature, token, key, cell or stranger's page stands in the
// objects, as the API server has them in etcd, in an error's body or on the
// service's disk.
func (w *testEnv) nothingLeaked() {
	w.t.Helper()
	canaries := w.canaries()
	var found []string
	for key, value := range w.stored() {
		found = append(found, search.Look(kindOf(key), key, value, canaries)...)
	}
	if w.inPods {
		text, err := json.Marshal(w.podsShow())
		w.Expect(err).NotTo(HaveOccurred())
		found = append(found, search.Look("pods and Jobs", w.namespace, text, canaries)...)
	}
	w.proxy.mu.Lock()
	refusals := w.proxy.errors
	w.proxy.mu.Unlock()
	for _, body := range refusals {
		found = append(found, search.Look("error bodies", w.namespace, []byte(body), canaries)...)
	}
	owned := w.owned()
	w.Expect(filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // the service deletes files meanwhile
		}
		if content, err := os.ReadFile(path); err == nil {
			found = append(found, search.Look("the service's disk", strings.TrimPrefix(path, w.dir), content, owned)...)
		}
		return nil
	})).To(Succeed())
	for _, leak := range found {
		w.t.Errorf("leaked: %s", leak)
	}
}

// kindOf is the kind of a key of etcd.
func kindOf(key string) string {
	parts := strings.Split(strings.TrimPrefix(key, "/registry/"), "/")
	if strings.Contains(parts[0], ".") && len(parts) > 1 {
		return "etcd: " + parts[1]
	}
	return "etcd: " + parts[0]
}

// stored is everything of the namespace in etcd but Secrets.
func (w *testEnv) stored() map[string][]byte {
	w.t.Helper()
	found := map[string][]byte{}
	for key := range w.etcd(map[string]any{"key": []byte("/registry/"), "range_end": []byte("/registry0"), "keys_only": true}) {
		if strings.Contains(key, "/"+w.namespace) && !strings.HasPrefix(key, "/registry/secrets/") {
			for name, value := range w.etcd(map[string]any{"key": []byte(key)}) {
				found[name] = value
			}
		}
	}
	w.Expect(found).NotTo(BeEmpty(), "etcd has the objects")
	return found
}

// etcd asks for a range of keys through its JSON gateway.
func (w *testEnv) etcd(ask map[string]any) map[string][]byte {
	w.t.Helper()
	type kv struct{ Key, Value []byte }
	text, err := json.Marshal(ask)
	w.Expect(err).NotTo(HaveOccurred())
	req, err := http.NewRequestWithContext(context.WithoutCancel(w.ctx), http.MethodPost, etcdURL+"/v3/kv/range", bytes.NewReader(text))
	w.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(req)
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(response.StatusCode).To(Equal(http.StatusOK), string(body))
	answer := struct{ KVs []kv }{}
	w.Expect(json.Unmarshal(body, &answer)).To(Succeed())
	found := map[string][]byte{}
	for _, one := range answer.KVs {
		found[string(one.Key)] = one.Value
	}
	return found
}

// searchProcess looks through the logs and the metrics of all cases, and reports.
func searchProcess() (found []string) {
	told.Lock()
	defer told.Unlock()
	var canaries []leaks.Canary
	for _, c := range told.canaries {
		canaries = append(canaries, c)
	}
	// One text is searched faster than its lines; these are looked at where something is found.
	lines := logged.lines()
	if found = search.Look("logs", "of the process", bytes.Join(lines, []byte("\n")), canaries); len(found) > 0 {
		for _, line := range lines {
			if at := new(leaks.Search).Look("logs", "line", line, canaries); len(at) > 0 {
				found = append(found, fmt.Sprintf("%q: %s", at, line))
			}
		}
	}
	families, err := metrics.Registry.Gather()
	if err != nil {
		return append(found, err.Error())
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return append(found, err.Error())
		}
	}
	return append(found, search.Look("metrics", "of the process", text.Bytes(), canaries)...)
}
