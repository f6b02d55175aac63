package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"exactmatch.dev/operator/internal/certificate"
	"exactmatch.dev/operator/internal/testkit"
)

const day = 24 * time.Hour

var (
	names = []string{"exactmatch-service.exactmatch-system.svc", "exactmatch-service"}
	began = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

func renew(t *testing.T, kept certificate.Kept, now time.Time) (certificate.Kept, certificate.Change) {
	t.Helper()
	next, change, err := certificate.Renew(kept, names, now)
	testkit.Must(t, err)
	return next, change
}

func first(t *testing.T) certificate.Kept {
	t.Helper()
	kept, _ := renew(t, certificate.Kept{}, began)
	return kept
}

// leaf parses what is served. That it is served at all says that the key belongs to it.
func leaf(t *testing.T, kept certificate.Kept) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(kept.Serving.Certificate, kept.Serving.Key)
	testkit.Must(t, err)
	one, err := x509.ParseCertificate(pair.Certificate[0])
	testkit.Must(t, err)
	return one
}

// trusted reports why a caller with a bundle would not take what is served.
func trusted(t *testing.T, bundle []byte, kept certificate.Kept, now time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return fmt.Errorf("the bundle is empty")
	}
	for _, name := range names {
		if _, err := leaf(t, kept).Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return err
		}
	}
	return nil
}

func authorities(bundle []byte) int {
	count := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		count++
	}
	return count
}

func TestWhatIsMadeAtFirst(t *testing.T) {
	kept, change := renew(t, certificate.Kept{}, began)
	if change.Authority == "" || change.Serving == "" || change.Bundle == "" {
		t.Errorf("changed: %+v", change)
	}
	testkit.Must(t, trusted(t, kept.Bundle, kept, began))
	made := leaf(t, kept)
	if life := made.NotAfter.Sub(began); life != 90*day || made.IsCA || made.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("it lives for %s, CA %t, %s", life, made.IsCA, made.PublicKeyAlgorithm)
	}
	if _, again := renew(t, kept, began.Add(time.Minute)); again != (certificate.Change{}) {
		t.Errorf("a fresh one is renewed: %+v", again)
	}
}

func TestWhatIsDue(t *testing.T) {
	for name, tc := range map[string]struct {
		after             time.Duration
		damage            func(*certificate.Kept)
		authority, change string // parts of the reasons; "" where nothing is due
	}{
		"fresh":                  {after: time.Hour},
		"just before two thirds": {after: 59 * day},
		"two thirds over":        {after: 60 * day, change: "two thirds"},
		"expired":                {after: 91 * day, change: "expired"},
		"the clock was ahead":    {after: -2 * time.Hour, change: "not valid yet"},
		"another name":           {damage: func(k *certificate.Kept) { k.Serving = issue(k.Authority, "elsewhere") }, change: "DNS names"},
		"the names in another order": {damage: func(k *certificate.Kept) {
			k.Serving = issue(k.Authority, names[1], names[0])
		}},
		"no certificate":           {damage: func(k *certificate.Kept) { k.Serving = certificate.Pair{} }, change: "there is none"},
		"the certificate is gone":  {damage: func(k *certificate.Kept) { k.Serving.Certificate = nil }, change: "no certificate in PEM"},
		"the key is gone":          {damage: func(k *certificate.Kept) { k.Serving.Key = nil }, change: "no key in PEM"},
		"the key is damaged":       {damage: func(k *certificate.Kept) { k.Serving.Key = []byte(strings.Replace(string(k.Serving.Key), "M", "N", 1)) }, change: "key"},
		"another key":              {damage: func(k *certificate.Kept) { k.Serving.Key = issue(k.Authority, names...).Key }, change: "does not belong"},
		"of a stranger":            {damage: func(k *certificate.Kept) { k.Serving = issue(authority(began), names...) }, change: "no authority"},
		"the authority is gone":    {damage: func(k *certificate.Kept) { k.Authority = certificate.Pair{} }, authority: "there is none"},
		"the authority's key":      {damage: func(k *certificate.Kept) { k.Authority.Key = authority(began).Key }, authority: "does not belong"},
		"no authority but a leaf":  {damage: func(k *certificate.Kept) { k.Authority = k.Serving }, authority: "not that of an authority"},
		"the authority's last but": {after: 9*365*day - day, change: "expired"},
		"the authority's last":     {after: 9 * 365 * day, authority: "last year", change: "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			kept := first(t)
			if tc.damage != nil {
				tc.damage(&kept)
			}
			now := began.Add(tc.after)
			next, change := renew(t, kept, now)
			for got, want := range map[string]string{change.Authority: tc.authority, change.Serving: tc.change} {
				if (got == "") != (want == "") || !strings.Contains(got, want) {
					t.Errorf("renewed because %q, want %q", got, want)
				}
			}
			testkit.Must(t, trusted(t, next.Bundle, next, now))
			if _, again := renew(t, next, now); again != (certificate.Change{}) {
				t.Errorf("the next look renews again: %+v", again)
			}
		})
	}
}

func authority(at time.Time) certificate.Pair {
	made, err := certificate.NewAuthority(at)
	if err != nil {
		panic(err)
	}
	return made
}

func issue(by certificate.Pair, names ...string) certificate.Pair {
	made, err := certificate.Issue(by, names, began)
	if err != nil {
		panic(err)
	}
	return made
}

// TestADecade looks every day for ten years, at callers whose bundle is a
// day old and at a service whose certificate is: they understand each other after every
// change, and the keeper renews no more often than it must.
func TestADecade(t *testing.T) {
	kept := first(t)
	late := []certificate.Kept{kept}
	made := certificate.Change{}
	counts := map[string]int{}
	for at := began; at.Before(began.Add(10 * 365 * day)); at = at.Add(day) {
		kept, made = renew(t, kept, at)
		if made.Authority != "" {
			counts["authorities"]++
		}
		if made.Serving != "" {
			counts["certificates"]++
		}
		counts["in the bundle"] = max(counts["in the bundle"], authorities(kept.Bundle))
		if late = append(late, kept); len(late) > 2 {
			late = late[1:]
		}
		if made == (certificate.Change{}) {
			continue
		}
		for _, served := range late {
			for _, caller := range late {
				if err := trusted(t, caller.Bundle, served, at); err != nil {
					t.Fatalf("after %s: %v", at.Sub(began), err)
				}
			}
		}
	}
	if counts["authorities"] != 1 || counts["in the bundle"] != 2 || authorities(kept.Bundle) != 1 {
		t.Errorf("made %v, and %d are trusted at the end", counts, authorities(kept.Bundle))
	}
	if got := counts["certificates"]; got < 58 || got > 64 { // every 60 days
		t.Errorf("made %d certificates", got)
	}
}

// A new authority is trusted for a day before it signs, also where the certificate is
// due in that day.
func TestANewAuthorityIsTrustedBeforeItSigns(t *testing.T) {
	kept := first(t)
	kept.Authority = certificate.Pair{}
	due := began.Add(61 * day)
	next, change := renew(t, kept, due)
	if change.Authority == "" || change.Serving != "" || authorities(next.Bundle) != 2 {
		t.Errorf("at first: %+v, and %d authorities are trusted", change, authorities(next.Bundle))
	}
	next, change = renew(t, next, due.Add(day+time.Minute))
	if change.Serving == "" || authorities(next.Bundle) != 2 {
		t.Errorf("a day later: %+v, and %d authorities are trusted", change, authorities(next.Bundle))
	}
	if next, _ = renew(t, next, due.Add(9*day)); authorities(next.Bundle) != 1 {
		t.Errorf("a week later %d authorities are trusted", authorities(next.Bundle))
	}
	// It does not let the certificate expire.
	if _, change = renew(t, kept, began.Add(90*day-time.Hour)); change.Serving == "" {
		t.Error("it expires")
	}
}

func TestPairsHideTheirKeys(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, first(t).Serving); text != "[redacted]" {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

func TestACertificateNeedsAName(t *testing.T) {
	if _, err := certificate.Issue(authority(began), nil, began); err == nil {
		t.Error("one without names is made")
	}
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60)
	if one := issue(authority(began), long); len(one.Certificate) == 0 {
		t.Error("one of a long name is not made")
	}
}
