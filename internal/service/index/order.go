package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"exactmatch.dev/operator/internal/fingerprint"
)

// entry is a token and the row that it stands in, as bytes that sort.
type entry [fingerprint.TokenSize + rowSize]byte

func (e *entry) row() uint32 { return binary.BigEndian.Uint32(e[fingerprint.TokenSize:]) }

func (e *entry) prefix() uint64 { return binary.BigEndian.Uint64(e[:]) }

// sameToken reports whether two entries have one token.
func (e *entry) sameToken(o *entry) bool {
	return [fingerprint.TokenSize]byte(e[:]) == [fingerprint.TokenSize]byte(o[:])
}

func compareEntries(a, b entry) int {
	if c := cmp.Compare(a.prefix(), b.prefix()); c != 0 {
		return c
	}
	return bytes.Compare(a[prefixSize:], b[prefixSize:])
}

const (
	// bucketEntries is what is sorted at once: it stays within a core's own cache.
	bucketEntries = 8 << 10
	// mostSpread bounds what is sorted by way of keys, which take memory. More than that
	// begins alike, and is mostly in order already.
	mostSpread = 128 << 10
	// fewKeys are compared with each other; more are sorted.
	fewKeys = 16
)

// spreader sorts entries that are in the order of their rows. It keeps its memory.
type spreader struct {
	keys, spread []uint64
	counts       []uint32
	sorted       []entry
}

// sort returns the entries in order. What it returns is valid until the next call.
func (s *spreader) sort(entries []entry) []entry {
	places, mask, _ := s.order(entries)
	return s.sortBy(entries, places, mask)
}

// sortBy is sort where order has said where the entries are.
func (s *spreader) sortBy(entries []entry, places []uint64, mask uint64) []entry {
	if places == nil {
		slices.SortFunc(entries, compareEntries)
		return entries
	}
	s.sorted = sized(s.sorted, len(entries))
	for i, key := range places {
		s.sorted[i] = entries[key&mask]
	}
	s.sortTies(mask)
	return s.sorted
}

// order says where the entries are in their order: the places are in the mask's bits
// of what it returns. It tells whether they are apart, each with another prefix; else
// sort is to put those in order that may be alike. It is nil where there are too many.
func (s *spreader) order(entries []entry) (places []uint64, mask uint64, apart bool) {
	if len(entries) > mostSpread || len(entries) == 0 {
		return nil, 0, false
	}
	mask = s.fill(entries)
	s.spreadKeys()
	for i := 1; i < len(s.spread); i++ {
		if s.spread[i-1]|mask == s.spread[i]|mask {
			return s.spread, mask, false
		}
	}
	return s.spread, mask, true
}

// fill makes a key of each entry: the bits in which their prefixes differ, from the
// highest on, and in the mask's bits which entry it is.
func (s *spreader) fill(entries []entry) (mask uint64) {
	mask = 1<<bits.Len(uint(len(entries)-1)) - 1
	s.keys, s.spread = sized(s.keys, len(entries)), sized(s.spread, len(entries))
	low, high := entries[0].prefix(), entries[0].prefix()
	for i := range entries {
		prefix := entries[i].prefix()
		low, high = min(low, prefix), max(high, prefix)
		s.keys[i] = prefix
	}
	shift := bits.LeadingZeros64(high - low)
	for i := range s.keys {
		s.keys[i] = (s.keys[i]-low)<<shift&^mask | uint64(i)
	}
	return mask
}

// spreadKeys sorts the keys: by enough of their first bits that few are left
// together, then these.
func (s *spreader) spreadKeys() {
	shift := 64 - bits.Len(uint(len(s.keys)))
	s.counts = cleared(s.counts, 1<<(64-shift)+1)
	for _, key := range s.keys {
		s.counts[key>>shift+1]++
	}
	for i := 1; i < len(s.counts); i++ {
		s.counts[i] += s.counts[i-1]
	}
	for _, key := range s.keys {
		at := &s.counts[key>>shift]
		s.spread[*at] = key
		*at++
	}
	from := uint32(0)
	for _, to := range s.counts {
		if to-from > fewKeys {
			slices.Sort(s.spread[from:to])
		} else if to-from > 1 {
			insertionSort(s.spread[from:to])
		}
		from = to
	}
}

func insertionSort(keys []uint64) {
	for i := 1; i < len(keys); i++ {
		key, at := keys[i], i
		for ; at > 0 && keys[at-1] > key; at-- {
			keys[at] = keys[at-1]
		}
		keys[at] = key
	}
}

// sortTies puts the entries in order whose keys differ by the row alone. Those of one
// token are.
func (s *spreader) sortTies(mask uint64) {
	for i := 1; i < len(s.spread); i++ {
		if s.spread[i-1]|mask != s.spread[i]|mask || s.sorted[i-1].sameToken(&s.sorted[i]) || compareEntries(s.sorted[i-1], s.sorted[i]) < 0 {
			continue
		}
		from, to := i-1, i+1
		for from > 0 && s.spread[from-1]|mask == s.spread[i]|mask {
			from--
		}
		for to < len(s.spread) && s.spread[to]|mask == s.spread[i]|mask {
			to++
		}
		slices.SortFunc(s.sorted[from:to], compareEntries)
		i = to - 1
	}
}

// sized is n values of no meaning, in s where it is large enough.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// cleared is n zeros, in s where it is large enough.
func cleared(s []uint32, n int) []uint32 {
	s = sized(s, n)
	clear(s)
	return s
}
