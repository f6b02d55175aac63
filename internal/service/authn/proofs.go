package authn

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxProofs are the tokens that are remembered, by their sums.
const maxProofs = 10_000

// proofs are tokens whose signatures were verified: doing it again costs a call more than its answer. Each holds as long
// as the entries and the keys are those that it was verified under; its times are held each time.
type proofs struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]proof
}

type proof struct {
	first **entry // of the entries that there were
	keys  *keys
	got   time.Time // when the keys were read
	who   *identity
}

// find is the subject of a token that was verified under these entries and their present keys, nil for none.
func (p *proofs) find(token string, entries []*entry, now time.Time) *identity {
	p.mu.Lock()
	is, found := p.known[sha256.Sum256([]byte(token))]
	p.mu.Unlock()
	if !found || is.first != &entries[0] || !is.keys.still(is.got) || is.who.claims.checkTimes(now) != nil {
		return nil
	}
	return is.who
}

// add remembers a token. Where there are too many, all of them are verified again.
func (p *proofs) add(token string, entries []*entry, by *signature, who *identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxProofs {
		p.known = map[[sha256.Size]byte]proof{}
	}
	p.known[sha256.Sum256([]byte(token))] = proof{first: &entries[0], keys: by.keys, got: by.got, who: who}
}

// still reports whether the keys are those that were read at a time, and need no look.
func (k *keys) still(got time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.got.Equal(got) && k.now().Sub(k.got) < k.fresh
}
