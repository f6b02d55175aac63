package leaks_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"exactmatch.dev/operator/hack/leaks"
)

const secret = "päss wörd/+?&%4711"

// Short contents are searched as they are, long ones by an index.
func TestEveryFormIsFound(t *testing.T) {
	for name, beside := range map[string]string{"in a line": "", "in a whole log": strings.Repeat("nothing to see. ", 1<<16)} {
		t.Run(name, func(t *testing.T) { everyFormIsFound(t, beside) })
	}
}

func everyFormIsFound(t *testing.T, beside string) {
	t.Helper()
	c := []leaks.Canary{{Name: "password", Secret: []byte(secret)}}
	for name, text := range map[string]string{
		"as it is":           secret,
		"in lower case":      strings.ToLower(secret),
		"in hex":             hex.EncodeToString([]byte(secret)),
		"in upper hex":       strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"in base64":          base64.StdEncoding.EncodeToString([]byte(secret)),
		"in base64, 1 after": base64.StdEncoding.EncodeToString([]byte("a" + secret + "xyz")),
		"in base64, 2 after": base64.StdEncoding.EncodeToString([]byte("ab" + secret + "xy")),
		"in base64, 3 after": base64.URLEncoding.EncodeToString([]byte("abc" + secret + "x")),
		"in a query":         url.QueryEscape(secret),
		"in a path":          url.PathEscape(secret),
		"in JSON":            `p\u00e4ss`, // not a form: JSON keeps letters as they are
	} {
		s := &leaks.Search{}
		found := s.Look("status", name, []byte(beside+"before "+text+" after"), c)
		if want := name != "in JSON"; (len(found) == 1) != want {
			t.Errorf("%s: found %q", name, found)
		}
		if strings.Contains(s.String(), secret) {
			t.Error("the report shows the secret")
		}
	}
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	s := &leaks.Search{}
	for _, text := range []string{"", "pass word", strings.Repeat("0", 100), hex.EncodeToString([]byte("something else"))} {
		if found := s.Look("logs", "line", []byte(text), []leaks.Canary{{Name: "password", Secret: []byte(secret)}}); len(found) != 0 {
			t.Errorf("%q: found %q", text, found)
		}
	}
	if report := s.String(); !strings.Contains(report, "all places") || !strings.Contains(report, "4 searched") || !strings.Contains(report, "0 finds") {
		t.Error(report)
	}
}
