package index

import (
	"runtime/debug"
	"sync/atomic"
)

// checkedPages remembers of which pages of an open table the sums were compared.
type checkedPages []atomic.Uint64

func newCheckedPages(pages int64) checkedPages { return make(checkedPages, (pages+63)/64) }

func (c checkedPages) has(page int64) bool { return c[page/64].Load()>>(page%64)&1 != 0 }

func (c checkedPages) add(page int64) { c[page/64].Or(1 << (page % 64)) }

// forget has every sum compared once more.
func (c checkedPages) forget() {
	for i := range c {
		c[i].Store(0)
	}
}

// memoryFault is what a goroutine panics with where a mapped file cannot be read.
type memoryFault interface {
	error
	Addr() uintptr
}

// guarded calls f, which reads mapped files. A disk that fails under one of them is a
// *Damaged.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, is := r.(memoryFault); !is {
			panic(r)
		}
		err = &Damaged{"a file of the table cannot be read any more"}
	}()
	return f()
}
