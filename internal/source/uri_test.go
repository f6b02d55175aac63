package source_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"exactmatch.dev/operator/internal/source"
)

func TestURIsThatCannotBeUsed(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///names/100%.csv":                       "write % as %25",
		"file:///names/100%2.csv":                      "write % as %25",
		"file:///names/%zz.csv":                        "write % as %25",
		"file:///names/100%":                           "write % as %25",
		"file:///names/5%ü.csv":                        "write % as %25",
		"file:///a.csv#5%":                             "write % as %25",
		"https://me:hu%sh@host/a.csv?sig=hush":         "write % as %25",
		"https://a b/a.csv?sig=hush":                   "a space in its host",
		"https://me:hu sh@host/a.csv":                  "a space in its host",
		"https://host/a.csv?sig=hush&name=a b":         "a space in its query: write it as %20",
		"https://host/a\n.csv?sig=hush":                "a control character",
		"https://host/a.csv?sig=hush\t&b=c":            "a control character",
		"https://host/a.csv?sig=hush#\x00":             "a control character",
		"file:///a\x7f.csv":                            "a control character",
		"":                                             "it has no scheme",
		"patients.csv":                                 "it has no scheme",
		"/exports/patients.csv":                        "it has no scheme",
		"//host/a.csv?sig=hush":                        "it has no scheme",
		"host/a.csv?sig=hush":                          "it has no scheme",
		"://host/a.csv?sig=hush":                       "it has no scheme",
		"1a:b?sig=hush":                                "it has no scheme",
		"10.0.0.1:8080/a.csv?sig=hush":                 "it has no scheme",
		"https:///a.csv?sig=hush":                      "it has no host",
		"https:/me:hush@host/a.csv":                    "it has no host",
		"https:me:hush@host/a.csv":                     "it has no host",
		"https://?sig=hush":                            "it has no host",
		"http://:8080/a.csv?sig=hush":                  "it has no host",
		"https://host:hush/a.csv":                      "its host, port or user info",
		"https://me:hu/sh@host/a.csv":                  "its host, port or user info",
		"https://[::1/a.csv?sig=hush":                  "its host, port or user info",
		"https://a%20b/a.csv?sig=hush":                 "its host, port or user info",
		"https://me:hu^sh@host/a.csv":                  "its host, port or user info",
		"s3:/me:hush@bucket/key":                       "names no object: use s3://bucket/key",
		"s3:me:hush@bucket/key":                        "names no object: use s3://bucket/key",
		"ftp:/me:hush@host/a.csv":                      "the scheme is not supported",
		"localhost:8080/a.csv?sig=hush":                "the scheme is not supported",
		`C:\exports\patients.csv`:                      "the scheme is not supported",
		"file:patients.csv?sig=hush":                   "file:///folder/name.csv",
		"file://exports/patients.csv":                  "three slashes",
		"https://me:hush@host/a.csv?sig=hush":          "user info",
		"https://me:hush@host:8080/a.csv?sig=hush#hus": "user info",
	} {
		s, err := source.Open(t.Context(), source.Config{URI: uri, Root: t.TempDir(), Schemes: everyScheme, Credentials: creds("anonymous", "true", "region", "eu-west-1")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %s", uri, s, err, want)
			continue
		}
		checkNoSecret(t, err)
		if strings.Contains(err.Error(), "hu") {
			t.Errorf("%q: part of a secret is shown: %v", uri, err)
		}
	}
}

func TestNamesThatURIsCanHave(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///names/100%25.csv":               "100%.csv",
		"file:///names/Export (2).csv":           "Export (2).csv",
		"file:///names/Export%20(2).csv":         "Export (2).csv",
		"file:///names/a+b.csv":                  "a+b.csv",
		"file:///names/über.csv":                 "über.csv",
		"file:///names/what%3F%23.csv":           "what?#.csv",
		" https://host/names/a b.csv?sig=5%\n":   "a b.csv",
		"https://host/names/%C3%BCber.csv?sig=a": "über.csv",
	} {
		s, err := source.Open(t.Context(), source.Config{URI: uri, Root: t.TempDir(), Schemes: everyScheme})
		if err != nil || s.Name() != want {
			t.Errorf("%q: %v, %v, want %s", uri, s, err, want)
		}
	}
}

// hidden is a text that no URI contains by chance.
const hidden = "q7Zhush9"

var beginsWithScheme = regexp.MustCompile(`^\s*[A-Za-z][A-Za-z0-9+.-]*://`)

// FuzzURI: whatever the URI, Open fails with a terminal *Error, and never shows any of the query or the user info.
func FuzzURI(f *testing.F) {
	for _, seed := range []string{
		"https://host/a.csv", "https://a b/", "https://host:x/", "https://[::1]/%zz", "s3://bucket/key", "gs://b/k%", "azblob://c/k", "file:///100%.csv",
		"http:///x", "a:b", "//h/p", "https://host/a#b%", "https://%41/", "https://host/a\nb", "x://", "https:", "file://host/a", "file:a",
	} {
		f.Add(seed)
	}
	root := f.TempDir()
	credentials := creds("anonymous", "true", "region", "eu-west-1", "accountName", "abc")
	f.Fuzz(func(t *testing.T, uri string) {
		if strings.Contains(uri, hidden) {
			return
		}
		uris := []string{uri, uri + "?sig=" + hidden, uri + "?" + hidden + "=%"}
		if scheme := beginsWithScheme.FindString(uri); scheme != "" {
			rest := uri[len(scheme):]
			uris = append(uris, scheme+"me:"+hidden+"@"+rest, scheme+hidden+"@"+rest, scheme+"me:"+hidden+"% @"+rest)
		}
		for _, uri := range uris {
			s, err := source.Open(t.Context(), source.Config{URI: uri, Root: root, Schemes: everyScheme, Credentials: credentials})
			var e *source.Error
			switch {
			case err == nil && (strings.Contains(s.String(), hidden) || strings.Contains(s.Name(), hidden)):
				t.Errorf("%q is shown: %s, %s", uri, s, s.Name())
			case err != nil && (!errors.As(err, &e) || e.Reason == "" || e.Transient()):
				t.Errorf("%q: %v", uri, err)
			case err != nil && strings.Contains(err.Error(), hidden):
				t.Errorf("%q is shown: %v", uri, err)
			}
		}
	})
}
