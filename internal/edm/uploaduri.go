package edm

import (
	"net/url"
	"time"
)

// UploadURIExpiry is when an upload URI expires: the "se" of its signature. It is zero where the
// URI does not say, or says a time that RFC 3339 cannot hold in UTC.
func UploadURIExpiry(uri string) time.Time {
	parsed, err := url.Parse(uri)
	if err != nil {
		return time.Time{}
	}
	end, err := time.Parse(time.RFC3339, parsed.Query().Get("se"))
	if err != nil || !Storable(end) {
		return time.Time{}
	}
	return end
}

// Storable tells times that can be written and read again: a year has four digits
// in UTC, which an offset can move beyond.
func Storable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}
