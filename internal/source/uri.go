package source

import (
	"net/url"
	"regexp"
	"strings"

	"exactmatch.dev/operator/internal/failure"
)

// parseURI parses a URI. Its *Error says what is wrong without repeating any part of the URI, which errors of url.Parse do.
func parseURI(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	fault := ""
	switch {
	case err != nil, u.Scheme == "", controlCharacters.MatchString(raw):
		fault = uriFault(raw)
	case strings.Contains(u.RawQuery, " "):
		fault = "there is a space in its query: write it as %20"
	case (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == "":
		fault = "it has no host: use https://host/path"
	}
	if fault != "" {
		return nil, &Error{Reason: failure.SourceInvalid, Message: "the URI cannot be used: " + fault}
	}
	return u, nil
}

var (
	controlCharacters = regexp.MustCompile(`[\x00-\x1f\x7f]`)
	schemes           = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	loosePercents     = regexp.MustCompile(`%([^0-9A-Fa-f]|.?$|.[^0-9A-Fa-f])`)
)

// uriFault says why a URI does not parse.
func uriFault(raw string) string {
	beforeFragment, fragment, _ := strings.Cut(raw, "#")
	beforeQuery, _, _ := strings.Cut(beforeFragment, "?")
	_, authority, _ := strings.Cut(beforeQuery, "//")
	authority, _, _ = strings.Cut(authority, "/")
	switch {
	case controlCharacters.MatchString(raw):
		return "there is a control character in it, such as a tab or a line end: remove it"
	case !schemes.MatchString(raw):
		return "it has no scheme: begin it with file:///, https://, s3://, gs:// or azblob://"
	case loosePercents.MatchString(beforeQuery), loosePercents.MatchString(fragment):
		return "a percent sign in it is not followed by two hexadecimal digits: write % as %25"
	case strings.Contains(authority, " "):
		return "there is a space in its host: remove it; the path of a file begins after file:///"
	}
	return "its host, port or user info is not valid: use https://host/path, s3://bucket/key, gs://bucket/key, azblob://container/key or file:///path"
}

// describe returns the part of a URI that may be shown. Without a host, the path may hold misplaced user info.
func describe(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.Host != "" || u.Scheme == "file" {
		shown.Path = u.Path
	}
	return shown.String()
}
