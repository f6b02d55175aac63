package authn

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

const (
	maxSubject = 256 // bytes
	// leeway is the greatest difference between the clocks of an issuer and of this machine.
	leeway = 30 * time.Second
)

// claims are those of a token, by their exact names: encoding/json fills a struct's field from a name in another
// letter case too, so that a claim "SUB" could pass for "sub".
type claims map[string]any

func parseClaims(payload []byte) (claims, error) {
	var c claims
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&c); err != nil || c == nil {
		return nil, refuse(Malformed, "the token's claims are not a JSON object")
	}
	return c, nil
}

// text is a claim that is a string, "" for none.
func (c claims) text(name string) string {
	text, _ := c[name].(string)
	return text
}

// audiences are those that the token is for.
func (c claims) audiences() (out []string) {
	if one := c.text("aud"); one != "" {
		return []string{one}
	}
	all, _ := c["aud"].([]any)
	for _, one := range all {
		if text, is := one.(string); is {
			out = append(out, text)
		}
	}
	return out
}

// when is a claim that is a time in seconds since 1970.
func (c claims) when(name string) (time.Time, bool) {
	number, _ := c[name].(json.Number)
	seconds, err := number.Float64()
	if err != nil || !(seconds > 0 && seconds < 1<<40) {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}

// checkTimes refuses a token before and after its time, and one that says neither.
func (c claims) checkTimes(now time.Time) error {
	expiry, known := c.when("exp")
	if !known {
		return refuse(Claims, "the token has no claim exp that is a time")
	}
	if !now.Before(expiry.Add(leeway)) {
		return refuse(Expired, "the token has expired")
	}
	if _, is := c["nbf"]; !is {
		return nil
	}
	begin, known := c.when("nbf")
	if !known {
		return refuse(Claims, "the token's claim nbf is not a time")
	}
	if now.Add(leeway).Before(begin) {
		return refuse(NotYetValid, "the token is not valid yet")
	}
	return nil
}

// has reports whether a claim is the value, or a list that holds it.
func (c claims) has(name string, want any) bool {
	if list, is := c[name].([]any); is {
		for _, one := range list {
			if one == want {
				return true
			}
		}
		return false
	}
	return c[name] == want && want != nil
}

// identity is a subject whose token was valid.
type identity struct {
	entry   string
	subject string
	// namespace and account are those of a ServiceAccount: set where the entry is of kind Kubernetes, and only there.
	namespace, account string
	claims             claims
}

// name is what logs call the subject. No entry has a colon in its name.
func (i *identity) name() string { return i.entry + ":" + i.subject }

// isSubject reports whether a subject can be shown in a log and compared.
func isSubject(text string) bool {
	return text != "" && len(text) <= maxSubject && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' })
}

// identify finds the subject of verified claims.
func (i *Issuer) identify(c claims) (*identity, error) {
	out := &identity{entry: i.Name, subject: c.text("sub"), claims: c}
	if !isSubject(out.subject) {
		return nil, refuse(Claims, "the token's subject must have 1 to %d bytes and no control character", maxSubject)
	}
	if i.Kind != Kubernetes {
		return out, nil
	}
	own, _ := c["kubernetes.io"].(map[string]any)
	account, _ := own["serviceaccount"].(map[string]any)
	out.namespace, out.account = claims(own).text("namespace"), claims(account).text("name")
	if !isLabel(out.namespace) || !isSubject(out.account) {
		return nil, refuse(Claims, "the token has no claim kubernetes.io with a namespace and a ServiceAccount")
	}
	if out.subject != "system:serviceaccount:"+out.namespace+":"+out.account {
		return nil, refuse(Claims, "the token's subject is not the ServiceAccount of its claim kubernetes.io")
	}
	return out, nil
}
