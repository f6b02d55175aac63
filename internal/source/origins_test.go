package source_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/plan"
	"exactmatch.dev/operator/internal/schema"
	"exactmatch.dev/operator/internal/source"
)

// people is the table that the origins serve: 5,000 rows, which make five blocks and as many stripes.
var people = peopleTable()

func peopleTable() string {
	var text strings.Builder
	text.WriteString("ID,Account,Name\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "K-%05d,88%07d,Person %d\n", i, i, i)
	}
	return text.String()
}

// origin is a server that answers its n-th request, counted from 1.
type origin func(w http.ResponseWriter, r *http.Request, n int64)

// refusal is how a load ends that does not make the blocks of people. Without a reason, any reason will do: the table has its own tests.
type refusal struct {
	reason    failure.Reason
	words     string
	transient bool
	after     time.Duration
}

// load reads a table as a session does, once to prepare it and once to make its blocks, and returns these in order.
func load(t *testing.T, from source.Source) ([]string, error) {
	t.Helper()
	plan := pipeline.Plan{
		Plan: plan.Plan{
			Store: "people", RowsPerBlock: 1000, Columns: []schema.Column{{Name: "ID"}, {Name: "Account"}, {Name: "Name"}}, BadRows: plan.BadRowsAllowance{MinSample: 1000},
		},
		Source: from, Key: []byte("a key for tests that has 32 bytes or more"),
	}
	prepared, err := pipeline.Prepare(t.Context(), plan)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	blocks := map[int]string{}
	err = pipeline.Make(t.Context(), plan, prepared, pipeline.MakeOptions{Stripes: prepared.Stripes, AtOnce: 2, Workers: 2, Emit: func(_ context.Context, index int, data []byte) error {
		_, err := block.Decode(data)
		mu.Lock()
		defer mu.Unlock()
		blocks[index] = string(data)
		return err
	}})
	made := make([]string, 0, len(blocks))
	for _, index := range slices.Sorted(maps.Keys(blocks)) {
		made = append(made, blocks[index])
	}
	return made, err
}

func TestOrigins(t *testing.T) {
	want, err := load(t, source.Bytes("patients.csv", []byte(people)))
	if err != nil || len(want) != 5 {
		t.Fatalf("%d blocks, %v", len(want), err)
	}
	for _, tc := range origins() {
		t.Run(tc.name, func(t *testing.T) {
			var requests atomic.Int64
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tc.answer(w, r, requests.Add(1)) }))
			got, err := load(t, srv.open(t, nil))
			switch {
			case tc.want != refusal{}:
				checkRefused(t, err, tc.want)
			case err != nil:
				t.Error(err)
			case !slices.Equal(got, want):
				t.Errorf("%d blocks that differ from those of the table", len(got))
			}
		})
	}
}

// checkRefused compares an error with a refusal. An error of the second reading may be that of the source itself.
func checkRefused(t *testing.T, err error, want refusal) {
	t.Helper()
	var opened *source.Error
	var moved *failure.Error
	if !errors.As(err, &moved) && errors.As(err, &opened) {
		moved = &failure.Error{Reason: opened.Reason, Message: opened.Error(), Transient: opened.Transient(), RetryAfter: opened.RetryAfter}
	}
	if moved == nil {
		t.Fatalf("got %v, want %s", err, want.reason)
	}
	if want.reason == "" {
		want.reason = moved.Reason
	}
	got := refusal{moved.Reason, want.words, moved.Transient, moved.RetryAfter}
	if got != want || !strings.Contains(moved.Message, want.words) || strings.Contains(moved.Message, "hush") {
		t.Errorf("%s, transient %t, after %s: %s\nwant %+v", moved.Reason, moved.Transient, moved.RetryAfter, moved.Message, want)
	}
}

type originCase struct {
	name   string
	answer origin
	want   refusal
}

func origins() []originCase {
	return slices.Concat(originsWithValidators(), originsOfRanges(), originsThatEncode(), originsThatEnd(), originsThatChange(), originsThatAnswerOtherwise())
}

// whole answers every request with the whole table. A % in the value flips with every request.
func whole(header, value string) origin {
	return func(w http.ResponseWriter, _ *http.Request, n int64) {
		w.Header().Set(header, strings.ReplaceAll(value, "%", fmt.Sprint(n%2)))
		w.Header().Set("Content-Length", fmt.Sprint(len(people)))
		_, _ = w.Write([]byte(people))
	}
}

// ranges answers like a file server, which honours ranges and preconditions.
func ranges(header, value string) origin {
	return func(w http.ResponseWriter, r *http.Request, n int64) {
		w.Header().Set(header, strings.ReplaceAll(value, "%", fmt.Sprint(n%2)))
		http.ServeContent(w, r, "patients.csv", time.Time{}, strings.NewReader(people))
	}
}

// originsWithValidators serve one table, with validators of that table or of the server that answers.
func originsWithValidators() []originCase {
	var cases []originCase
	for _, v := range []struct{ name, header, value string }{
		{"strong ETag", "ETag", `"v1"`},
		{"weak ETag", "ETag", `W/"v1"`},
		{"no validator", "Cache-Control", "no-store"},
		{"flapping ETag", "ETag", `"node%"`},
		{"flapping weak ETag", "ETag", `W/"node%"`},
		{"flapping Last-Modified", "Last-Modified", "Wed, 01 Jan 2025 00:00:0% GMT"},
	} {
		cases = append(cases, originCase{name: v.name, answer: whole(v.header, v.value)}, originCase{name: v.name + " and ranges", answer: ranges(v.header, v.value)})
	}
	return cases
}

// partial answers 206 with the first n bytes and a Content-Range.
func partial(n int, contentRange string) origin {
	return func(w http.ResponseWriter, _ *http.Request, _ int64) {
		if contentRange != "" {
			w.Header().Set("Content-Range", contentRange)
		}
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte(people[:n]))
	}
}

func originsOfRanges() []originCase {
	n, half := len(people), strings.LastIndex(people[:len(people)/2], "\n")+1
	return []originCase{
		{name: "a size that only ranges tell", answer: func(w http.ResponseWriter, r *http.Request, n int64) {
			w.Header().Set("ETag", `"v1"`)
			if n > 1 {
				ranges("ETag", `"v1"`)(w, r, n)
				return
			}
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte(people))
		}},
		{name: "206 of everything", answer: partial(n, fmt.Sprintf("bytes 0-%d/%d", n-1, n))},
		{"206 without Content-Range", partial(n, ""), refusal{reason: failure.SourceInvalid, words: "206 Partial Content without a valid Content-Range"}},
		{"206 of a part", partial(half, fmt.Sprintf("bytes 0-%d/%d", half-1, n)), refusal{reason: failure.SourceInvalid, words: "another range than was requested"}},
		{"206 of an unknown total", func(w http.ResponseWriter, r *http.Request, n int64) {
			answer := ranges("", "")
			if n == 1 {
				answer = partial(half, fmt.Sprintf("bytes 0-%d/*", half-1))
			}
			answer(w, r, n)
		}, refusal{reason: failure.SourceInvalid, words: "another range than was requested"}},
		{"another range", func(w http.ResponseWriter, r *http.Request, n int64) {
			if asked := r.Header.Get("Range"); asked != "" {
				r.Header.Set("Range", "bytes=1-1000")
			}
			ranges("", "")(w, r, n)
		}, refusal{reason: failure.SourceInvalid, words: "another range than was requested"}},
	}
}

// raw writes an answer that the server of net/http would not, and closes the connection.
func raw(head, body string) origin {
	return func(w http.ResponseWriter, _ *http.Request, _ int64) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n"+body)
		_ = conn.Close()
	}
}

func originsThatEnd() []originCase {
	const http10 = "HTTP/1.0 200 OK\nContent-Type: text/csv\n"
	cut, length := people[:60010], "HTTP/1.1 200 OK\nContent-Length: %d\n"
	early := refusal{failure.SourceUnavailable, "the connection ended too early", true, 0}
	return []originCase{
		{name: "HTTP/1.0", answer: raw(http10, people)},
		{name: "HTTP/1.0, compressed", answer: raw(http10, gzipped(people))},
		{"HTTP/1.0, cut off", raw(http10, cut), refusal{failure.SourceUnavailable, "the connection ended within a line", true, 0}},
		{"HTTP/1.0, compressed and cut off", raw(http10, gzipped(people)[:1000]), refusal{words: "ends too early"}},
		{"Content-Length too large", raw(fmt.Sprintf(length, len(people)+100), people), early},
		{"Content-Length too small", raw(fmt.Sprintf(length, len(people)-1007), people), refusal{words: " "}},
		{"chunks that are cut off", raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n", "ea60\r\n"+people[:60000]+"\r\n"), early},
		{"chunk that is cut off", raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n", "ffff\r\n"+people[:60000]), early},
	}
}

func gzipped(text string) string { return gzippedAt(text, gzip.DefaultCompression) }

func gzippedAt(text string, level int) string {
	var out strings.Builder
	w, err := gzip.NewWriterLevel(&out, level)
	if err == nil {
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		panic(err)
	}
	return out.String()
}

func originsThatEncode() []originCase {
	encoded := func(coding, body string) origin {
		return func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set("Content-Encoding", coding)
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write([]byte(body))
		}
	}
	once := gzipped(people)
	return []originCase{
		{name: "gzip", answer: encoded("gzip", once)},
		{name: "gzip around a compressed table", answer: encoded("gzip", gzipped(once))},
		{name: "gzip around a table in several members", answer: encoded("X-GZIP", gzipped(gzipped(people[:len(people)/2])+gzipped(people[len(people)/2:])))},
		{name: "gzip around a compressed table, in chunks", answer: func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set("Content-Encoding", "gzip")
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte(gzipped(once)))
		}},
		{name: "gzip that differs between servers", answer: func(w http.ResponseWriter, r *http.Request, n int64) {
			encoded("gzip", gzippedAt(people, 1+int(n%2)*8))(w, r, n)
		}},
		{name: "a coding that changes nothing", answer: encoded("aws-chunked", people)},
		{"br", encoded("gzip, br", once), refusal{reason: failure.SourceInvalid, words: "Content-Encoding br, which was not requested"}},
		{"gzip around a compressed table, cut off", encoded("gzip", gzipped(once)[:5000]), refusal{failure.SourceUnavailable, "Content-Encoding gzip ends too early", true, 0}},
		{"gzip around a compressed table, damaged", encoded("gzip", gzipped(once)+strings.Repeat("more", 9)), refusal{reason: failure.SourceInvalid, words: "Content-Encoding gzip is damaged"}},
		{"gzip around too much", encoded("gzip", gzipped(strings.Repeat(gzipped(""), 1<<17))), refusal{reason: failure.SourceInvalid, words: "more than 100 times its size"}},
		{"gzip around a compressed table, and a body that ends too early", raw("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 999999\n", gzipped(once)),
			refusal{failure.SourceUnavailable, "the connection ended too early", true, 0}},
	}
}

func originsThatChange() []originCase {
	second := strings.ReplaceAll(people, "K-", "L-")
	changes := func(header string, values [2]string, second string) origin {
		return func(w http.ResponseWriter, _ *http.Request, n int64) {
			text := people
			if n > 1 {
				text = second
			}
			w.Header().Set(header, values[min(n, 2)-1])
			_, _ = w.Write([]byte(text))
		}
	}
	return []originCase{
		{"another table of the same size", changes("", [2]string{}, second), refusal{reason: failure.SourceChanged, words: "on differ from the first reading"}},
		{"another table and ETag of the same size", changes("ETag", [2]string{`"v1"`, `"v2"`}, second), refusal{reason: failure.SourceChanged, words: "on differ from the first reading"}},
		{"another table of another size", func(w http.ResponseWriter, _ *http.Request, n int64) {
			text := people
			if n > 1 {
				text += "K-05000,880005000,Person 5000\n"
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			_, _ = w.Write([]byte(text))
		}, refusal{reason: failure.SourceChanged, words: "it changed while it was read"}},
	}
}

func originsThatAnswerOtherwise() []originCase {
	status := func(code int, header, value, body string) origin {
		return func(w http.ResponseWriter, _ *http.Request, _ int64) {
			w.Header().Set(header, value)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	const expired = `<?xml version="1.0"?><Error><Code>%s</Code><Message>The hush</Message></Error>`
	xml := func(code int, word string) origin {
		return status(code, "Content-Type", "application/xml", fmt.Sprintf(expired, word))
	}
	return []originCase{
		{"expired, with 403", xml(403, "AccessDenied"), refusal{reason: failure.SourceRefused, words: "403 Forbidden (AccessDenied): check the credentials; if the URI is signed"}},
		{"expired, with 400", xml(400, "ExpiredToken"), refusal{reason: failure.SourceRefused, words: "400 Bad Request (ExpiredToken): check the credentials; if the URI is signed"}},
		{"expired, with a header", status(403, "X-Ms-Error-Code", "AuthenticationFailed", ""), refusal{reason: failure.SourceRefused, words: "(AuthenticationFailed): check"}},
		{"403 that repeats a token", xml(403, "hush"), refusal{reason: failure.SourceRefused, words: "403 Forbidden: check the credentials"}},
		{"400 of another kind", xml(400, "EntityTooLarge"), refusal{reason: failure.SourceInvalid, words: "400 Bad Request: check the URI"}},
		{"404", status(404, "", "", ""), refusal{reason: failure.SourceNotFound, words: "404 Not Found: check the URI"}},
		{"405", status(405, "", "", ""), refusal{reason: failure.SourceInvalid, words: "405 Method Not Allowed: check the URI"}},
		{"416", status(416, "Content-Range", "bytes */0", ""), refusal{reason: failure.SourceInvalid, words: "416 Range Not Satisfiable although no range was requested: check"}},
		{"302", status(302, "Location", "https://127.0.0.1/ok.csv?sig=hush", ""), refusal{reason: failure.SourceInvalid, words: "302 Found: redirects are not followed, use the URI"}},
		{"204", func(w http.ResponseWriter, _ *http.Request, _ int64) { w.WriteHeader(http.StatusNoContent) }, refusal{reason: failure.SourceInvalid, words: "204 No Content: only 200 OK carries a table"}},
		{"a page in HTML", status(200, "Content-Type", "text/html; charset=utf-8", "<!DOCTYPE html>\n<html lang=\"en\"><body>Please sign in</body></html>\n"),
			refusal{words: " "}},
		{"Windows-1252", status(200, "Content-Type", "text/csv; charset=windows-1252", "ID,Account,Name\nK-00001,880000001,M\xfcller\n"),
			refusal{words: "format.encoding"}},
		{"503 with Retry-After", status(503, "Retry-After", "5", "busy"),
			refusal{failure.SourceUnavailable, "503 Service Unavailable", true, 5 * time.Second}},
		{"429 with Retry-After", status(429, "Retry-After", "2", "slow"),
			refusal{failure.SourceUnavailable, "429 Too Many Requests", true, 2 * time.Second}},
		{"429 at the second reading", func(w http.ResponseWriter, r *http.Request, n int64) {
			if n > 1 {
				status(429, "Retry-After", "2", "slow")(w, r, n)
				return
			}
			_, _ = w.Write([]byte(people))
		}, refusal{failure.SourceUnavailable, "429 Too Many Requests", true, 2 * time.Second}},
	}
}

func TestRetryAfter(t *testing.T) {
	date := func(in time.Duration) string { return time.Now().Add(in).UTC().Format(http.TimeFormat) }
	for _, tc := range []struct {
		status      int
		value       string
		least, most time.Duration
	}{
		{503, "5", 5 * time.Second, 5 * time.Second},
		{429, "3600", time.Hour, time.Hour},
		{503, "3601", time.Hour, time.Hour},
		{503, "99999999999999999999", time.Hour, time.Hour},
		{503, date(20 * time.Minute), 19 * time.Minute, 20 * time.Minute},
		{503, date(100 * time.Hour), time.Hour, time.Hour},
		{503, date(-time.Minute), 0, 0},
		{503, "", 0, 0},
		{503, "0", 0, 0},
		{503, "-5", 0, 0},
		{503, "1.5", 0, 0},
		{503, "soon", 0, 0},
		{404, "5", 0, 0},
	} {
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tc.value)
			w.WriteHeader(tc.status)
		}))
		_, err := read(t, srv.open(t, nil), 0, source.ToEnd)
		var e *source.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e.RetryAfter < tc.least || e.RetryAfter > tc.most || e.RetryAfter%time.Second != 0 {
			t.Errorf("%d, %q: waits %s, want %s to %s", tc.status, tc.value, e.RetryAfter, tc.least, tc.most)
		}
	}
}
