package lookup

import (
	"context"
	"iter"
	"runtime"
)

// inFlight is how many batches are asked at once.
const inFlight = 4

// outcome is the answers for the first of values, in their order and of one
// generation, and why there is none for the one behind them; nil where all are
// answered.
type outcome struct {
	values     []Value
	found      []Found
	generation int64
	err        error
}

// item is a value, or why there are no more.
type item struct {
	value Value
	err   error
}

// Each asks for the values in batches, several at once, and yields the answers in
// their order, each as soon as it and those before it are there: a batch is asked
// as soon as no more values are ready. It ends with the first error, of a value (a
// *ValueError), of values or of yield; answers before it are yielded. A read of
// values that blocks does not hold it up: it returns and leaves the read behind.
func (a *Asker) Each(ctx context.Context, values iter.Seq2[Value, error], yield func(Found) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan *item, a.batch)
	pending := make(chan chan outcome, inFlight-1) // and the one that is waited for
	go readAll(ctx, values, ready)
	go a.askAll(ctx, ready, pending)
	for {
		answer, err := receive(ctx, pending)
		if answer == nil {
			return err
		}
		got, err := receive(ctx, answer)
		if err != nil {
			return err
		}
		if err := a.yieldAll(ctx, got, yield); err != nil {
			return err
		}
	}
}

// yieldAll yields the answers of a batch, and returns why there are no more.
func (a *Asker) yieldAll(ctx context.Context, got outcome, yield func(Found) error) error {
	got = a.give(ctx, got)
	for _, found := range got.found {
		if err := yield(found); err != nil {
			return err
		}
	}
	return got.err
}

// readAll reads the values up to the first error.
func readAll(ctx context.Context, values iter.Seq2[Value, error], ready chan<- *item) {
	defer close(ready)
	for v, err := range values {
		select {
		case ready <- &item{v, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// askAll asks for the values and puts the answers to come of each batch into
// pending, up to the first that cannot be asked for.
func (a *Asker) askAll(ctx context.Context, ready <-chan *item, pending chan<- chan outcome) {
	defer close(pending)
	for {
		values, failed, more := a.nextBatch(ctx, ready)
		if len(values) > 0 {
			answer := make(chan outcome, 1)
			select {
			case pending <- answer:
			case <-ctx.Done():
				return
			}
			go func() { answer <- a.ask(ctx, values) }()
		}
		if failed != nil {
			answer := make(chan outcome, 1)
			answer <- outcome{err: failed}
			select {
			case pending <- answer:
			case <-ctx.Done():
			}
		}
		if !more {
			return
		}
	}
}

// nextBatch waits for a value and takes those that are ready behind it. failed is
// why there are no more; more is false then, and after the last value.
func (a *Asker) nextBatch(ctx context.Context, ready <-chan *item) (values []Value, failed error, more bool) {
	next, _ := receive(ctx, ready) // nil where ctx has ended
	runtime.Gosched()              // the reader may have more by now
	for {
		switch {
		case next == nil:
			return values, nil, false
		case next.err != nil:
			return values, next.err, false
		}
		values = append(values, next.value)
		if len(values) == a.batch {
			return values, nil, true
		}
		select {
		case next = <-ready:
		default:
			return values, nil, true
		}
	}
}

// receive fails where ctx has ended. It checks that after a close too: a
// channel that is closed because ctx has ended has not carried everything.
func receive[T any](ctx context.Context, from <-chan T) (T, error) {
	var got T
	select {
	case got = <-from:
	case <-ctx.Done():
	}
	return got, context.Cause(ctx)
}
