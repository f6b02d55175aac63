package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
)

// place is where an entity is in the order of a collection: no other has the same. Unlike a
// number it stays where it is as others come and go.
type place struct {
	Value string `json:"value"` // of the property that the order is of
	ID    string `json:"id"`
}

func placeOf[T any](o options, one T) place {
	entity := reflect.ValueOf(one)
	at := place{ID: textOf(entity, "id")}
	if o.orderBy.of != nil {
		at.Value = textIn(entity, o.orderBy)
	}
	return at
}

// compare orders places: those of equal values by their ids.
func (o *options) compare(a, b place) int {
	order := compareValues(o.orderBy, a.Value, b.Value)
	switch {
	case order == 0:
		return strings.Compare(a.ID, b.ID)
	case o.descending:
		return -order
	}
	return order
}

// nextLink leads to what is behind a place.
func (s *Service) nextLink(r *http.Request, last place) string {
	query := r.URL.Query()
	query.Del("$skip")
	query.Set("$skiptoken", s.tokenOf(r, last))
	return s.link(r, r.URL.EscapedPath(), query.Encode())
}

const signed = 16 // bytes of a token's signature

// tokenOf is a place as a nextLink has it. It is signed for its tenant, its collection and
// the options that decide what is there and in which order.
func (s *Service) tokenOf(r *http.Request, last place) string {
	text, _ := json.Marshal(last) // of two strings, which cannot fail
	return base64.RawURLEncoding.EncodeToString(append(s.signPlace(r, text), text...))
}

func (s *Service) signPlace(r *http.Request, text []byte) []byte {
	query := r.URL.Query()
	of, _ := json.Marshal([]string{tenantOf(r), r.URL.Path, query.Get("$filter"), query.Get("$orderby"), string(text)})
	mac := hmac.New(sha256.New, s.derive("key of the places of pages"))
	mac.Write(of)
	return mac.Sum(nil)[:signed]
}

// placeIn reads a token. What is not signed for this very collection is nonsense.
func (s *Service) placeIn(r *http.Request, token string) (last place, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err == nil && len(raw) > signed && hmac.Equal(raw[:signed], s.signPlace(r, raw[signed:])) && json.Unmarshal(raw[signed:], &last) == nil {
		return last, nil
	}
	return last, badRequest("the $skiptoken is none of this collection with this $filter and $orderby: follow the @odata.nextLink of a page as it is, or begin again without it")
}
