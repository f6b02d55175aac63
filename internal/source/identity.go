package source

import (
	"net/http"

	"exactmatch.dev/operator/internal/failure"
)

// ambient judges whether the process may sign for a key itself, and returns the storage account.
func (c Config) ambient(scheme, bucket, key, where string) (account string, err error) {
	refuse := func(reason failure.Reason, what string) (string, error) {
		return "", &Error{Reason: reason, Source: where, Message: what}
	}
	switch {
	case c.credential("endpoint") != "":
		return refuse(failure.SourceInvalid, "the credentials contain an endpoint and nothing to sign with: the operator's own identity is never sent there, so add credentials for it, or anonymous: \"true\"")
	case c.Identity == nil:
		return refuse(failure.NotPermitted, "there are no credentials, and the operator's own identity is not used here: name a Secret in spec.source.credentialsSecretRef")
	}
	account, err = c.Identity(scheme, bucket, key, c.credential("accountName"))
	if err != nil {
		return "", &Error{Reason: failure.NotPermitted, Source: where, Message: err.Error(), cause: err}
	}
	return account, nil
}

// process is the client for what the process' own identity needs: its endpoints are no choice of a user.
func (c Config) process() *http.Client { return c.Guard.Proxy.ProcessClient() }
