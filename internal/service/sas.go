package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	sasVersion     = "2024-11-04"
	sasPermissions = "rcw"
)

// uploadURI signs a fresh upload URI for a session. It looks like a shared
// access signature of Azure Blob Storage, so that its SDK takes it; it is signed
// with this service's own secret.
func (s *Service) uploadURI(r *http.Request, session string) string {
	root := s.config.PublicURL
	if root == "" {
		root = schemeOf(r) + "://" + r.Host
	}
	expiry := s.now().Add(s.config.UploadURITTL).Truncate(time.Second).Format(time.RFC3339)
	query := url.Values{"sv": {sasVersion}, "sr": {"b"}, "sp": {sasPermissions}, "se": {expiry}}
	query.Set("sig", s.sign(session, query))
	return strings.TrimSuffix(root, "/") + "/upload/" + session + "?" + query.Encode()
}

// sign is the signature over whatever a URI grants.
func (s *Service) sign(session string, query url.Values) string {
	mac := hmac.New(sha256.New, s.db.sasSecret())
	for _, part := range []string{session, query.Get("sv"), query.Get("sr"), query.Get("sp"), query.Get("se")} {
		mac.Write([]byte(part + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// permitted reports whether the request's signature is ours, unexpired, and
// grants the permission.
func (s *Service) permitted(r *http.Request, session, permission string) bool {
	query := r.URL.Query()
	want := s.sign(session, query)
	if !hmac.Equal([]byte(want), []byte(query.Get("sig"))) {
		return false
	}
	expiry, err := time.Parse(time.RFC3339, query.Get("se"))
	return err == nil && s.now().Before(expiry) && strings.Contains(query.Get("sp"), permission)
}
