package service

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
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
// Its path has the tenant's handle, where there is a tenant, and the session.
func (s *Service) uploadURI(r *http.Request, one *records.Session) string {
	root := s.config.PublicURL
	if root == "" {
		root = schemeOf(r) + "://" + r.Host
	}
	handle := s.handleOf(one.Tenant)
	query := url.Values{"sv": {sasVersion}, "sr": {"b"}, "sp": {sasPermissions}, "se": {one.UploadURIExpiry.Format(time.RFC3339Nano)}}
	query.Set("sig", s.sign(handle, one.ID, query))
	return strings.TrimSuffix(root, "/") + path.Join("/upload", handle, one.ID) + "?" + query.Encode()
}

// sign is the signature over whatever a URI grants. Each handle has a key of its
// own.
func (s *Service) sign(handle, session string, query url.Values) string {
	key := s.secret
	if handle != "" {
		key = s.derive("key of the upload URIs of " + handle)
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{session, query.Get("sv"), query.Get("sr"), query.Get("sp"), query.Get("se")} {
		mac.Write([]byte(part + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// derive makes a key or a name out of the secret. No text is what a signature
// without a handle is made over: that begins with the id of a session.
func (s *Service) derive(text string) []byte {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// handleOf is what upload URIs have in place of a tenant's name, which those who
// are given one need not learn; "" for none.
func (s *Service) handleOf(tenant string) string {
	if tenant == "" {
		return ""
	}
	handle := base64.RawURLEncoding.EncodeToString(s.derive("handle of " + tenant)[:16])
	s.handles.Store(handle, tenant)
	return handle
}

// ofHandle is the tenant that a signed URI names; false where it has no records.
func (s *Service) ofHandle(ctx context.Context, handle string) (tenant string, known bool, err error) {
	if handle == "" {
		return "", true, nil
	}
	if _, known := s.handles.Load(handle); !known {
		tenants, err := s.records.Tenants(ctx)
		if err != nil {
			return "", false, err
		}
		for _, one := range tenants {
			s.handleOf(one)
		}
	}
	one, _ := s.handles.Load(handle)
	tenant, known = one.(string)
	return tenant, known, nil
}

// ours reports whether the request's signature is ours, of a session below a handle.
func (s *Service) ours(r *http.Request, handle, session string) bool {
	query := r.URL.Query()
	return hmac.Equal([]byte(s.sign(handle, session, query)), []byte(query.Get("sig")))
}

// permitted reports whether a signature that is ours is unexpired and grants the
// permission.
func (s *Service) permitted(r *http.Request, permission string) bool {
	query := r.URL.Query()
	expiry, err := time.Parse(time.RFC3339, query.Get("se"))
	return err == nil && s.now().Before(expiry) && strings.Contains(query.Get("sp"), permission)
}

// uploading is the session that a signed URI names, read among its tenant's own.
func (s *Service) uploading(r *http.Request) (*records.Session, error) {
	tenant, known, err := s.ofHandle(r.Context(), r.PathValue("tenant"))
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, notPermitted()
	}
	if c, is := r.Context().Value(callKey{}).(*call); is {
		c.tenant = &tenant
	}
	id := r.PathValue("session")
	one, err := records.Get(r.Context(), s.records.Of(tenant), records.Tx.Sessions, id)
	if records.IsNotFound(err) {
		return nil, s.absent(r.Context(), tenant, id)
	}
	return one, err
}

// absent is the answer for a session that has no record. One that was dropped is
// gone. Of any other the tenant was retired, or has it no more: the URI has ended,
// and a client that is told so looks whether there is another one.
func (s *Service) absent(ctx context.Context, tenant, session string) error {
	dropped, err := records.List(ctx, s.records.Of(tenant), records.Tx.Tombstones)
	if err != nil {
		return err
	}
	for _, one := range dropped {
		if one.Session == session {
			return noContainer()
		}
	}
	return notPermitted()
}

func noContainer() error {
	return fail(http.StatusNotFound, "ContainerNotFound", "there is no such session")
}
