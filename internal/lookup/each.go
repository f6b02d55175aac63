package lookup

import (
	"context"
	"iter"
)

// inFlight is how many questions are asked at once.
const inFlight = 8

// outcome is the answer for one value, or why there is none.
type outcome struct {
	value Value
	found Found
	err   error
}

// Each asks for the values, several at once, and yields the answers in their
// order, each as soon as it and those before it are there. It ends with the first
// error, of a value (a *ValueError), of values or of yield; answers before it are
// yielded. A read of values that blocks does not hold it up: it returns and leaves
// the read behind.
func (a *Asker) Each(ctx context.Context, values iter.Seq2[Value, error], yield func(Found) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pending := make(chan chan outcome, inFlight-1) // and the one that is waited for
	go a.askAll(ctx, values, pending)
	for {
		answer, err := receive(ctx, pending)
		if answer == nil {
			return err
		}
		got, err := receive(ctx, answer)
		if err != nil {
			return err
		}
		found, err := a.give(ctx, got)
		if err != nil {
			return err
		}
		if err := yield(found); err != nil {
			return err
		}
	}
}

// askAll asks for the values and puts their answers to come into pending, up to
// the first that cannot be asked for.
func (a *Asker) askAll(ctx context.Context, values iter.Seq2[Value, error], pending chan<- chan outcome) {
	defer close(pending)
	for v, err := range values {
		answer := make(chan outcome, 1)
		select {
		case pending <- answer:
		case <-ctx.Done():
			return
		}
		if err != nil {
			answer <- outcome{err: err}
			return
		}
		go func() { answer <- a.ask(ctx, v) }()
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
