package authn

import (
	"fmt"
	"time"
)

// Cause says why a token is not accepted.
type Cause string

// The causes. They are for logs and counters; a caller is told the message.
const (
	// Malformed is a token that cannot be read as one.
	Malformed Cause = "malformed"
	// Unknown is a token that no entry has issued.
	Unknown Cause = "unknown"
	// Ambiguous is a token for audiences of two entries.
	Ambiguous Cause = "ambiguous"
	// Signature is one that the issuer's keys did not make.
	Signature Cause = "signature"
	// Expired and NotYetValid are those of another time.
	Expired     Cause = "expired"
	NotYetValid Cause = "notYetValid"
	// Claims are such that they name no subject.
	Claims Cause = "claims"
	// NoRule is a valid token whose subject has no rule.
	NoRule Cause = "noRule"
	// TwoTenants is a subject whose rules name more than one tenant.
	TwoTenants Cause = "twoTenants"
	// KeysUnavailable is a token that cannot be judged, since the issuer's keys cannot be had.
	KeysUnavailable Cause = "keysUnavailable"
)

// Causes are all of them.
var Causes = []Cause{Malformed, Unknown, Ambiguous, Signature, Expired, NotYetValid, Claims, NoRule, TwoTenants, KeysUnavailable}

// Refusal is the error of a token that brings no caller. Its message repeats no part of the token.
type Refusal struct {
	Cause   Cause
	Message string
	// RetryAfter is set where the same token may be accepted later.
	RetryAfter time.Duration
	// Subject is who was refused, where the token was valid.
	Subject string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// Proven reports whether the token was valid, and only its subject may do nothing.
func (r *Refusal) Proven() bool { return r.Cause == NoRule || r.Cause == TwoTenants }

func refuse(cause Cause, format string, args ...any) *Refusal {
	return &Refusal{Cause: cause, Message: fmt.Sprintf(format, args...)}
}
