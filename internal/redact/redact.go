// Package redact cuts out of a remote's words what they repeat of our secrets, before anybody is shown them.
package redact

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"
)

const (
	// mark stands where something was cut out.
	mark = "[redacted]"
	// run is how many characters in a row give a secret away: an echo may be cut off, or begin in its middle.
	run = 12
)

// patterns are credentials by their look, whosever they are.
var patterns = regexp.MustCompile(`(?i)\b(bearer\s+|sig=|signature=|(?:access_?)?token=|password=|secret=|assertion=)[^\s&"',;<>]+`)

// Text returns text without what it repeats of the secrets: as they are, in hex, in base64 and escaped for a URL, whole or
// in part, in any letter case. A secret of fewer than 12 characters is cut out where it stands whole. What looks like a
// credential is cut out, too.
func Text(text string, secrets ...string) string {
	text = patterns.ReplaceAllString(text, "${1}"+mark)
	low := strings.ToLower(text)
	if len(low) != len(text) {
		text = low // letters that change their size: only their case is lost
	}
	shown := make([]bool, len(text))
	for i := range shown {
		shown[i] = true
	}
	places := placesIn(low)
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			hide(shown, low, places, strings.ToLower(form))
		}
	}
	return rest(text, shown)
}

// placesIn says where each run of a text begins: there may be thousands of secrets.
func placesIn(text string) map[string][]int {
	places := make(map[string][]int, len(text))
	for i := 0; i+run <= len(text); i++ {
		places[text[i:i+run]] = append(places[text[i:i+run]], i)
	}
	return places
}

// forms are the ways in which a secret may be repeated.
func forms(secret string) []string {
	if secret == "" {
		return nil
	}
	out := []string{secret, hex.EncodeToString([]byte(secret)), url.QueryEscape(secret), url.PathEscape(secret)}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			out = append(out, encoding.EncodeToString(append(make([]byte, shift), secret...)))
		}
	}
	return out
}

// hide marks every run that text has in common with a form, and a form that is
// shorter where it stands whole.
func hide(shown []bool, text string, places map[string][]int, form string) {
	if len(form) < run {
		for i := 0; i+len(form) <= len(text); i++ {
			if text[i:i+len(form)] == form {
				clear(shown[i : i+len(form)])
			}
		}
		return
	}
	for i := 0; i+run <= len(form); i++ {
		for _, at := range places[form[i:i+run]] {
			clear(shown[at : at+run])
		}
	}
}

// rest is what is shown, with a mark for each run that is not.
func rest(text string, shown []bool) string {
	var out strings.Builder
	for i := range len(text) {
		switch {
		case shown[i]:
			out.WriteByte(text[i])
		case i == 0 || shown[i-1]:
			out.WriteString(mark)
		}
	}
	return strings.ToValidUTF8(out.String(), "")
}
