package authn

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	maxStaticTokens = 1000
	// minStaticToken is the least length of a token that stands in the file itself. Its sum is not salted, so
	// a token has to be random.
	minStaticToken = 32
)

// StaticTokens is the file of --static-token-file.
type StaticTokens struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Tokens     []StaticToken `json:"tokens"`

	sums [][sha256.Size]byte // of the tokens, in their order
}

// StaticToken is one token: exactly one of SHA256 and Token is set. Several may have the same name, as while one is
// replaced by another.
type StaticToken struct {
	Name string `json:"name"`
	// SHA256 of the token, as 64 hexadecimal digits.
	SHA256 string `json:"sha256,omitempty"`
	Token  string `json:"token,omitempty"`
}

// ParseStaticTokens reads and checks the file. An unknown field is an error; no error repeats a token.
func ParseStaticTokens(text []byte) (*StaticTokens, error) {
	s := &StaticTokens{}
	if err := decode(text, s); err != nil {
		return nil, errors.New("it is not YAML of this kind: a field is unknown, stands twice, or has another type")
	}
	if s.APIVersion != APIVersion || s.Kind != StaticTokensKind {
		return nil, wrongType(StaticTokensKind)
	}
	if len(s.Tokens) > maxStaticTokens {
		return nil, fmt.Errorf("tokens: it has %d entries and must have at most %d", len(s.Tokens), maxStaticTokens)
	}
	seen := map[[sha256.Size]byte]bool{}
	for i, one := range s.Tokens {
		sum, err := one.sum()
		if err == nil && seen[sum] {
			err = errors.New("it is the token of an earlier entry")
		}
		if err != nil {
			return nil, fmt.Errorf("tokens[%d]: %w", i, err)
		}
		seen[sum] = true
		s.sums = append(s.sums, sum)
	}
	return s, nil
}

// sum is what a token is compared by.
func (t StaticToken) sum() (sum [sha256.Size]byte, err error) {
	switch {
	case !isSubject(t.Name):
		return sum, fmt.Errorf("name must have 1 to %d bytes and no control character", maxSubject)
	case (t.SHA256 == "") == (t.Token == ""):
		return sum, errors.New("give exactly one of sha256 and token")
	case t.Token != "" && len(t.Token) < minStaticToken:
		return sum, fmt.Errorf("token must have at least %d bytes, such as those of \"openssl rand -hex 32\"", minStaticToken)
	case t.Token != "":
		return sha256.Sum256([]byte(t.Token)), nil
	}
	raw, err := hex.DecodeString(t.SHA256)
	if err != nil || len(raw) != len(sum) {
		return sum, errors.New("sha256 must be 64 hexadecimal digits")
	}
	return [sha256.Size]byte(raw), nil
}

// named finds a token's name. Every entry is compared, each in constant time.
func (s *StaticTokens) named(token string) (name string, found bool) {
	if s == nil {
		return "", false
	}
	sum := sha256.Sum256([]byte(token))
	for i := range s.sums {
		if subtle.ConstantTimeCompare(sum[:], s.sums[i][:]) == 1 {
			name, found = s.Tokens[i].Name, true
		}
	}
	return name, found
}
