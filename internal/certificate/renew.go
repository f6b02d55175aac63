package certificate

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// lastYear is when an authority is replaced.
	lastYear = 365 * 24 * time.Hour
	// spread is how long a new authority is only trusted before it signs, so that it
	// has reached every caller by then.
	spread = 24 * time.Hour
	// overlap is how long an earlier authority stays in the bundle after the
	// certificate that it signed was replaced.
	overlap = 7 * 24 * time.Hour
)

// Kept is what is kept of the service's certificate.
type Kept struct {
	// Authority signs. Nobody but the keeper has its key.
	Authority Pair
	// Serving is what the service shows.
	Serving Pair
	// Bundle is what callers trust: the authority, and before and after a change of it
	// another one.
	Bundle []byte
}

// Change says what Renew has renewed, and why; empty where nothing is due.
type Change struct{ Authority, Serving, Bundle string }

// Renew returns what should be kept now. DNS names are those of the service.
func Renew(kept Kept, names []string, now time.Time) (Kept, Change, error) {
	var change Change
	var err error
	if change.Authority = dueAuthority(kept.Authority, now); change.Authority != "" {
		if kept.Authority, err = NewAuthority(now); err != nil {
			return kept, change, err
		}
	}
	authority, err := parseSigner(kept.Authority)
	if err != nil {
		return kept, change, fmt.Errorf("the authority: %w", err)
	}
	if change.Serving = dueServing(kept, authority.certificate, names, now); change.Serving != "" {
		if kept.Serving, err = Issue(kept.Authority, names, now); err != nil {
			return kept, change, err
		}
	}
	if bundle := bundleOf(kept, authority.certificate, now); !bytes.Equal(bundle, kept.Bundle) {
		kept.Bundle, change.Bundle = bundle, "the authorities have changed"
	}
	return kept, change, nil
}

// dueAuthority says why there must be another authority, "" where it need not.
func dueAuthority(authority Pair, now time.Time) string {
	if len(authority.Certificate) == 0 && len(authority.Key) == 0 {
		return "there is none"
	}
	by, err := parseSigner(authority)
	switch {
	case err != nil:
		return err.Error()
	case !now.Before(by.certificate.NotAfter.Add(-lastYear)):
		return "it is in its last year"
	case now.Before(by.certificate.NotBefore):
		return "it is not valid yet"
	}
	return ""
}

// dueServing says why there must be another serving certificate, "" where it need not.
func dueServing(kept Kept, authority *x509.Certificate, names []string, now time.Time) string {
	if len(kept.Serving.Certificate) == 0 && len(kept.Serving.Key) == 0 {
		return "there is none"
	}
	serving, _, err := parsePair(kept.Serving)
	switch {
	case err != nil:
		return err.Error()
	case !sameNames(serving.DNSNames, names):
		return "its DNS names are not " + strings.Join(names, ", ")
	case !now.Before(serving.NotAfter):
		return "it has expired"
	case now.Before(serving.NotBefore):
		return "it is not valid yet"
	case !signedByAny(serving, append(parseAll(kept.Bundle), authority)):
		return "no authority of the bundle has signed it"
	}
	due := serving.NotBefore.Add(serving.NotAfter.Sub(serving.NotBefore) / 3 * 2)
	if signedByAny(serving, []*x509.Certificate{authority}) {
		if now.Before(due) {
			return ""
		}
		return "two thirds of its life are over"
	}
	// A new authority signs once callers trust it, unless the certificate would expire.
	known := now.After(authority.NotBefore.Add(authorityBackdated + spread))
	if now.Before(due) || !known && now.Add(spread).Before(serving.NotAfter) {
		return ""
	}
	return "two thirds of its life are over, and there is a new authority"
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func signedByAny(one *x509.Certificate, by []*x509.Certificate) bool {
	return slices.ContainsFunc(by, func(authority *x509.Certificate) bool { return one.CheckSignatureFrom(authority) == nil })
}

// bundleOf is the authority, and others of the bundle as long as the service may show
// a certificate that one of them has signed.
func bundleOf(kept Kept, authority *x509.Certificate, now time.Time) []byte {
	out := toPEM(certificateBlock, authority.Raw)
	serving, _, err := parsePair(kept.Serving)
	if err != nil {
		return out
	}
	settled := now.After(serving.NotBefore.Add(servingBackdated + overlap))
	for _, other := range parseAll(kept.Bundle) {
		needed := serving.CheckSignatureFrom(other) == nil || serving.CheckSignatureFrom(authority) == nil && !settled
		if !other.Equal(authority) && other.IsCA && now.Before(other.NotAfter) && needed {
			out = append(out, toPEM(certificateBlock, other.Raw)...)
		}
	}
	return out
}
