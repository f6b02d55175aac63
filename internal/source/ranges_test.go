package source_test

import (
	"net/http"
	"strconv"
	"testing"

	"exactmatch.dev/operator/internal/failure"
	"exactmatch.dev/operator/internal/source"
)

// Rows from another place of the table would be hashed as those that were asked for:
// a part is taken only where all that the answer says of it fits.
func TestAPartIsWhatWasAskedFor(t *testing.T) {
	long := func(text string) http.HandlerFunc { // net/http announces the length of what is short
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			w.Header().Set("Content-Range", "bytes 4-11/12")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte(text))
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		length int64
		want   failure.Reason // "" where it is taken
	}{
		"that part":                                {part("bytes 4-7/12", content[4:8]), 4, ""},
		"as many bytes from before":                {part("bytes 3-6/12", content[3:7]), 4, failure.SourceInvalid},
		"as many bytes from behind":                {part("bytes 5-8/12", content[5:9]), 4, failure.SourceInvalid},
		"from there, and shorter":                  {part("bytes 4-6/12", content[4:7]), 4, failure.SourceInvalid},
		"from there, and longer":                   {part("bytes 4-8/12", content[4:9]), 4, failure.SourceInvalid},
		"the rest":                                 {part("bytes 4-11/12", content[4:12]), source.ToEnd, ""},
		"as many bytes from before, to the end":    {part("bytes 3-10/12", content[3:11]), source.ToEnd, failure.SourceInvalid},
		"the whole table under the part's range":   {long(content[:12]), source.ToEnd, failure.SourceInvalid},
		"less than the range that is said to come": {long(content[4:11]), source.ToEnd, failure.SourceInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, serve(t, tc.answer).open(t, nil), 4, tc.length)
			if tc.want == "" {
				want := content[4:12]
				if tc.length != source.ToEnd {
					want = content[4 : 4+tc.length]
				}
				if err != nil || got != want {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if reasonOf(err) != tc.want {
				t.Errorf("it gives %q and ends with %v, want %s", got, err, tc.want)
			}
		})
	}
}
