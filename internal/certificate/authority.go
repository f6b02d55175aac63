// Package certificate says which certificate the service should have: an authority of
// its own, a serving certificate below it, and the bundle that callers trust. It is
// pure: Renew takes what is there and a time, and returns what should be there.
// Package keeper writes it to Secrets.
package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	servingLife   = 90 * 24 * time.Hour
	// What is made is valid from before now on, since clocks differ.
	authorityBackdated = 24 * time.Hour
	servingBackdated   = time.Hour

	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// Pair is a certificate and its key, both in PEM.
type Pair struct{ Certificate, Key []byte }

// String hides the key.
func (Pair) String() string { return "[redacted]" }

// GoString hides the key.
func (Pair) GoString() string { return "[redacted]" }

// NewAuthority makes an authority that signs for ten years.
func NewAuthority(now time.Time) (Pair, error) {
	template := newTemplate("exactmatch service authority", now.Add(-authorityBackdated), now.Add(authorityLife))
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	// Two authorities of one name would be told apart by their keys alone, in errors and in a bundle.
	template.Subject.SerialNumber = now.UTC().Format("20060102T150405.000")
	return sign(template, nil)
}

// Issue makes a serving certificate below an authority, for 90 days.
func Issue(authority Pair, names []string, now time.Time) (Pair, error) {
	if len(names) == 0 {
		return Pair{}, errors.New("a certificate needs a DNS name")
	}
	by, err := parseSigner(authority)
	if err != nil {
		return Pair{}, err
	}
	template := newTemplate(names[0], now.Add(-servingBackdated), now.Add(servingLife))
	if by.certificate.NotAfter.Before(template.NotAfter) {
		template.NotAfter = by.certificate.NotAfter
	}
	template.DNSNames = names
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return sign(template, by)
}

func newTemplate(name string, from, until time.Time) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: commonName(name)}, NotBefore: from.UTC(), NotAfter: until.UTC()}
}

// commonName is what fits into one: longer names are DNS names alone.
func commonName(name string) string {
	const most = 64
	if len(name) > most {
		return "exactmatch service"
	}
	return name
}

// signer is an authority that can sign.
type signer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// sign makes a key and its certificate, self-signed without a signer.
func sign(template *x509.Certificate, by *signer) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	if by == nil {
		by = &signer{template, key}
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return Pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign a certificate: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{toPEM(certificateBlock, der), toPEM(keyBlock, text)}, nil
}

func toPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// parseSigner reads an authority. Errors repeat nothing of the key.
func parseSigner(authority Pair) (*signer, error) {
	certificate, key, err := parsePair(authority)
	if err != nil {
		return nil, err
	}
	if !certificate.IsCA {
		return nil, errors.New("the certificate is not that of an authority")
	}
	return &signer{certificate, key}, nil
}

// parsePair reads a certificate and the key that belongs to it.
func parsePair(pair Pair) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	all := parseAll(pair.Certificate)
	if len(all) == 0 {
		return nil, nil, errors.New("there is no certificate in PEM")
	}
	block, _ := pem.Decode(pair.Key)
	if block == nil {
		return nil, nil, errors.New("there is no key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, is := parsed.(*ecdsa.PrivateKey)
	if err != nil || !is {
		return nil, nil, errors.New("the key cannot be read")
	}
	if !key.PublicKey.Equal(all[0].PublicKey) {
		return nil, nil, errors.New("the key does not belong to the certificate")
	}
	return all[0], key, nil
}

// parseAll reads what there is of certificates in a text.
func parseAll(text []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if one, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == certificateBlock {
			all = append(all, one)
		}
	}
	return all
}

// Expiry is when the certificate of a pair expires; false where there is none.
func Expiry(pair Pair) (time.Time, bool) {
	all := parseAll(pair.Certificate)
	if len(all) == 0 {
		return time.Time{}, false
	}
	return all[0].NotAfter, true
}
