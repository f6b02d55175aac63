package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// archiveOf holds scripts that say their name, in the folders of a real archive.
func archiveOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	files := tar.NewWriter(packed)
	for _, name := range names {
		text := "#!/bin/sh\necho " + filepath.Base(name) + " of the archive\n"
		if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func goodArchive(t *testing.T) []byte {
	return archiveOf(t, "controller-tools/envtest/etcd", "controller-tools/envtest/kube-apiserver", "controller-tools/envtest/kubectl")
}

// serve serves an index of one archive for linux/amd64 of v1.37.2, and the archive.
func serve(t *testing.T, sum string, archive http.HandlerFunc) (index string) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/index.yaml", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "releases:\n  v1.37.2:\n    envtest-v1.37.2-linux-amd64.tar.gz:\n      hash: %s\n      selfLink: %s/archive.tar.gz\n", sum, server.URL)
	})
	mux.HandleFunc("/archive.tar.gz", archive)
	return server.URL + "/index.yaml"
}

func sumOf(content []byte) string {
	sum := sha512.Sum512(content)
	return hex.EncodeToString(sum[:])
}

func sends(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }
}

// fetchInto runs the command and returns its exit status and output.
func fetchInto(folder, index string, more ...string) (status int, out string) {
	var text bytes.Buffer
	args := append([]string{"-index", index, "-folder", folder, "-os", "linux", "-arch", "amd64"}, more...)
	if !slices.ContainsFunc(more, func(s string) bool { return strings.HasPrefix(s, "v1.") }) {
		args = append(args, "v1.37.2")
	}
	return run(context.Background(), args, &text), text.String()
}

// wantNothing wants no file in a folder, however deep.
func wantNothing(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if path != folder && err == nil {
			t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheRightChecksumIsInstalled(t *testing.T) {
	folder, archive := t.TempDir(), goodArchive(t)
	if err := os.Symlink("controlplane", filepath.Join(folder, "etcd")); err != nil { // one that was built before
		t.Fatal(err)
	}
	if status, out := fetchInto(folder, serve(t, sumOf(archive), sends(archive))); status != installed || !strings.Contains(out, "the checksum is right") {
		t.Fatalf("%d: %s", status, out)
	}
	for _, name := range programs {
		out, err := exec.Command(filepath.Join(folder, name)).CombinedOutput()
		if err != nil || string(out) != name+" of the archive\n" {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != len(programs)+1 {
		t.Errorf("more than the programs and their folder is there: %v, %v", entries, err)
	}
	// Again, without the network: make asks again when go.mod is newer.
	if status, out := fetchInto(folder, "http://127.0.0.1:1/"); status != installed {
		t.Errorf("%d: %s", status, out)
	}
}

func TestTheProgressIsShown(t *testing.T) {
	big := make([]byte, 3<<20)
	for name, c := range map[string]struct{ length, want string }{
		"known size":   {strconv.Itoa(len(big)), "Fetched 3 of 3 MiB"},
		"unknown size": {"", "Fetched 3 MiB"},
	} {
		index := serve(t, sumOf(big), func(w http.ResponseWriter, _ *http.Request) {
			if c.length != "" {
				w.Header().Set("Content-Length", c.length)
			}
			_, _ = w.Write(big)
		})
		if _, out := fetchInto(t.TempDir(), index, "-progress", "0s"); !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestTheWrongChecksumIsRefusedLoudly(t *testing.T) {
	archive := goodArchive(t)
	for name, sum := range map[string]string{"another": sumOf([]byte("another")), "none": `""`} {
		folder := t.TempDir()
		status, out := fetchInto(folder, serve(t, sum, sends(archive)))
		if status != unavailable || !strings.Contains(out, "WARNING: the archive of v1.37.2 DOES NOT HAVE ITS CHECKSUM") {
			t.Errorf("%s: %d: %s", name, status, out)
		}
		wantNothing(t, folder)
	}
}

func TestAServerThatFailsIsGivenUp(t *testing.T) {
	archive := goodArchive(t)
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(archive)))
		_, _ = w.Write(archive[:len(archive)/2])
		_ = http.NewResponseController(w).Flush()
	}
	for name, c := range map[string]struct {
		archive http.HandlerFunc
		want    string
	}{
		"truncated":             {half, "unexpected EOF"},
		"hangs before the body": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "nothing arrived for 200ms"},
		"hangs in the body":     {func(w http.ResponseWriter, r *http.Request) { half(w, r); <-r.Context().Done() }, "nothing arrived for 200ms"},
		"trickles": {func(w http.ResponseWriter, r *http.Request) {
			for tick := time.Tick(20 * time.Millisecond); r.Context().Err() == nil; <-tick {
				_, _ = w.Write([]byte{0})
				_ = http.NewResponseController(w).Flush()
			}
		}, "it took longer than 1s"},
		"has lost it": {http.NotFound, "404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, began := t.TempDir(), time.Now()
			status, out := fetchInto(folder, serve(t, sumOf(archive), c.archive), "-stall-timeout", "200ms", "-timeout", "1s")
			if status != unavailable || !strings.Contains(out, c.want) || strings.Count(out, "\n") != 2 {
				t.Errorf("%d: %s", status, out)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			wantNothing(t, folder)
		})
	}
}

func TestAnIndexThatHangsIsGivenUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	folder := t.TempDir()
	status, out := fetchInto(folder, server.URL, "-stall-timeout", "200ms", "-timeout", "1m")
	if status != unavailable || !strings.Contains(out, "nothing arrived for 200ms") {
		t.Errorf("%d: %s", status, out)
	}
	wantNothing(t, folder)
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	archive := goodArchive(t)
	index := serve(t, sumOf(archive), sends(archive))
	lacking := archiveOf(t, "controller-tools/envtest/etcd", "controller-tools/envtest/kube-apiserver", "../../kubectl.exe")
	noArchive := []byte("<html>a page of a proxy</html>")
	for name, c := range map[string]struct {
		index string
		more  []string
		want  string
	}{
		"version":         {index, []string{"v1.37.3"}, "unable to find archive for 1.37.3 (linux,amd64)"},
		"architecture":    {index, []string{"-arch", "riscv64"}, "unable to find archive for 1.37.2 (linux,riscv64)"},
		"index":           {index + "x", nil, "404 Not Found"},
		"form of index":   {strings.Replace(index, "index.yaml", "archive.tar.gz", 1), nil, "unable to unmarshal index"},
		"server":          {"http://127.0.0.1:1/index.yaml", nil, "connection refused"},
		"scheme":          {"ftp://127.0.0.1/index.yaml", nil, "unsupported protocol scheme"},
		"program":         {serve(t, sumOf(lacking), sends(lacking)), nil, "the archive has no kubectl"},
		"form of archive": {serve(t, sumOf(noArchive), sends(noArchive)), nil, "unable to start un-gz-ing entry archive"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if status, out := fetchInto(folder, c.index, c.more...); status != unavailable || !strings.Contains(out, c.want) {
				t.Errorf("%d: %s", status, out)
			}
			wantNothing(t, folder)
		})
	}
}

func TestTheVersionIsExact(t *testing.T) {
	for _, version := range []string{"v1.37", "v1.x", "v1.37.2-rc.1", "v1.~37.2"} {
		if status, out := fetchInto(t.TempDir(), "http://127.0.0.1:1/", version); status != misused || !strings.Contains(out, "must be a version of Kubernetes like v1.37.2") {
			t.Errorf("%s: %d: %s", version, status, out)
		}
	}
}
