package openapitest

import (
	"bytes"
	"io"
	"net/http"
)

// Handler is next, and report is told of every exchange.
func Handler(next http.Handler, report func(*Exchange)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address := *r.URL
		in, out := &input{ReadCloser: r.Body}, &output{ResponseWriter: w}
		e := &Exchange{Method: r.Method, URL: &address, Header: r.Header.Clone()}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = in
		}
		next.ServeHTTP(out, r)
		e.Body, e.Status, e.Answer, e.Said = in.read.Bytes(), out.status, out.header, out.wrote.Bytes()
		if e.Status == 0 {
			e.Status, e.Answer = http.StatusOK, w.Header().Clone()
		}
		report(e)
	})
}

// input keeps what is read of a body.
type input struct {
	io.ReadCloser
	read bytes.Buffer
}

func (i *input) Read(p []byte) (int, error) {
	n, err := i.ReadCloser.Read(p)
	i.read.Write(p[:n])
	return n, err
}

// output keeps what is answered.
type output struct {
	http.ResponseWriter
	status int
	header http.Header
	wrote  bytes.Buffer
}

// Unwrap has http.ResponseController find what is below.
func (o *output) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (o *output) WriteHeader(status int) {
	if o.status == 0 {
		o.status, o.header = status, o.Header().Clone()
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (o *output) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
	o.wrote.Write(p)
	return o.ResponseWriter.Write(p)
}
