package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"exactmatch.dev/operator/internal/service/records"
)

const (
	sasVersion     = "2024-11-04"
	sasPermissions = "rcw"
)

// uploadURIExpiry is when an upload URI that is issued now ends.
func (s *Service) uploadURIExpiry() time.Time { return s.now().Add(s.config.UploadURITTL) }

// uploadURI signs the upload URI of a session: the same one until the session
// is renewed. It looks like a shared access signature of Azure Blob
// Storage, so that its SDK takes it; it is signed with this service's own secret.
func (s *Service) uploadURI(r *http.Request, one *records.Session) string {
	root := s.config.PublicURL
	if root == "" {
		root = schemeOf(r) + "://" + r.Host
	}
	query := url.Values{"sv": {sasVersion}, "sr": {"b"}, "sp": {sasPermissions}, "se": {one.UploadURIExpiry.Format(time.RFC3339Nano)}}
	query.Set("sig", s.sign(one.ID, query))
	return strings.TrimSuffix(root, "/") + "/upload/" + one.ID + "?" + query.Encode()
}

// sign is the signature over whatever a URI grants.
func (s *Service) sign(session string, query url.Values) string {
	mac := hmac.New(sha256.New, s.secret)
	for _, part := range []string{session, query.Get("sv"), query.Get("sr"), query.Get("sp"), query.Get("se")} {
		mac.Write([]byte(part + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// ours reports whether the request's signature is ours.
func (s *Service) ours(r *http.Request, session string) bool {
	query := r.URL.Query()
	return hmac.Equal([]byte(s.sign(session, query)), []byte(query.Get("sig")))
}

// permitted reports whether a signature that is ours is unexpired and grants the
// permission.
func (s *Service) permitted(r *http.Request, permission string) bool {
	query := r.URL.Query()
	expiry, err := time.Parse(time.RFC3339, query.Get("se"))
	return err == nil && s.now().Before(expiry) && strings.Contains(query.Get("sp"), permission)
}
