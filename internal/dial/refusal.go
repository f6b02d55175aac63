package dial

import (
	"fmt"
	"strconv"
	"strings"
)

// Reason says why a host was refused.
type Reason string

// The reasons of a RefusedError.
const (
	// AddressNotAllowed: the host resolved to an address that is not a public one.
	AddressNotAllowed Reason = "AddressNotAllowed"
	// PlainHTTPNotAllowed: http where https is required.
	PlainHTTPNotAllowed Reason = "PlainHTTPNotAllowed"
	// SchemeNotHTTP: neither https nor http.
	SchemeNotHTTP Reason = "SchemeNotHTTP"
	// UserInfo: the URL carries a user name or password.
	UserInfo Reason = "UserInfo"
	// NoHost: the URL names no host.
	NoHost Reason = "NoHost"
)

// RefusedError is a connection that the guard does not allow. Trying again does not help: somebody has to change the
// URL, the upload agent or the administrator's policy.
type RefusedError struct {
	// Host is the host as the URL writes it, with its port if it has one.
	Host string
	// Kind is the kind of address, such as "loopback" or "private"; empty unless Reason is AddressNotAllowed.
	Kind string
	// Reason says which rule refused it.
	Reason Reason
	// Missing are the entries that would allow it together, each with where it belongs.
	Missing []string
}

// Error names the host and every entry that is missing.
func (e *RefusedError) Error() string {
	switch e.Reason {
	case AddressNotAllowed:
		return fmt.Sprintf("host %q has a %s address: to allow that, %s", e.Host, e.Kind, e.missing())
	case PlainHTTPNotAllowed:
		return fmt.Sprintf("host %q would be reached by plain http: use https, or %s", e.Host, e.missing())
	case UserInfo:
		return fmt.Sprintf("the URL of host %q contains user info: put credentials into a Secret", e.Host)
	case SchemeNotHTTP:
		return fmt.Sprintf("the URL of host %q is not an https URL", e.Host)
	default:
		return "the URL names no host"
	}
}

func (e *RefusedError) missing() string { return strings.Join(e.Missing, ", and ") }

// needs is the entry of the upload agent that allows a host.
func needs(field, value string) string {
	return fmt.Sprintf("add %s to %s of the upload agent", strconv.Quote(value), field)
}
