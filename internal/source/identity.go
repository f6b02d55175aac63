package source

import (
	"net/http"

	"exactmatch.dev/operator/internal/failure"
)

// Identity judges where the identity of the process may sign requests: for a key of a bucket, in the storage account that the
// credentials name (azblob; "" where they name none). It returns the account to use, "" for the environment's, or an error that says
// what would permit it. A nil Identity permits nothing.
//
// The identity is never sent to an endpoint that the credentials name, whatever Identity says.
type Identity func(scheme, bucket, key, account string) (string, error)

// AnyBucket is the Identity of a process whose identity is the user's own, such as a worker in a pod under a ServiceAccount that is
// meant for it.
func AnyBucket(_, _, _, account string) (string, error) { return account, nil }

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
