package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/block"
)

// stageAll sends blocks as the operator's upload does: the same SDK, client
// and check, over a number of connections at once.
func stageAll(ctx context.Context, uri string, connections, blocks int, data []*operator.Block) error {
	client, err := blockblob.NewClientWithNoCredential(uri, &blockblob.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: operator.Guard.HTTPClient()}})
	if err != nil {
		return err
	}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for connection := range connections {
		group.Go(func() error {
			for turn := 0; ; turn++ {
				index := int(next.Add(1)) - 1
				if index >= blocks {
					return nil
				}
				body := ownBlock(data, connection, connections, turn).At(index)
				sum := block.Sum(body)
				_, err := client.StageBlock(ctx, block.ID(index, sum), streaming.NopCloser(bytes.NewReader(body)), &blockblob.StageBlockOptions{
					TransactionalValidation: blob.TransferValidationTypeCRC64(sum),
				})
				if err != nil {
					return fmt.Errorf("stage block %d: %w", index, err)
				}
			}
		})
	}
	return group.Wait()
}

// httpCase sends blocks into the verifying sink.
func httpCase(ctx context.Context, t task) (*measure.Sample, error) {
	return intoSink(ctx, t, func(sink *sinkProcess, blocks int, data []*operator.Block) error {
		return stageAll(ctx, "http://"+sink.HTTP+"/upload", t.Case.Workers, blocks, data)
	})
}

// tcpCase sends the same bytes over sockets without any protocol.
func tcpCase(ctx context.Context, t task) (*measure.Sample, error) {
	return intoSink(ctx, t, func(sink *sinkProcess, blocks int, data []*operator.Block) error {
		group, ctx := errgroup.WithContext(ctx)
		for connection := range t.Case.Workers {
			group.Go(func() error { return sendRaw(ctx, sink.TCP, connection, t.Case.Workers, blocks, data) })
		}
		return group.Wait()
	})
}

// intoSink measures how the blocks of a case are sent to a sink of their own.
func intoSink(ctx context.Context, t task, send func(sink *sinkProcess, blocks int, data []*operator.Block) error) (s *measure.Sample, err error) {
	sink, err := startSink(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sink.stop()) }()
	data, err := randomBlocks()
	if err != nil {
		return nil, err
	}
	blocks := int(t.Case.Bytes / uploadBlock)
	s, err = measure.Section(func() error { return send(sink, blocks, data) })
	if err != nil {
		return nil, err
	}
	s.Bytes = int64(blocks) * int64(data[0].Size())
	return s, nil
}

// sendRaw sends every block of one connection of several, and waits until they are
// there.
func sendRaw(ctx context.Context, address string, connection, connections, blocks int, data []*operator.Block) (err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	turns := (blocks - connection + connections - 1) / connections
	if _, err := c.Write(binary.LittleEndian.AppendUint64(nil, uint64(turns)*uint64(data[0].Size()))); err != nil {
		return err
	}
	for index := connection; index < blocks; index += connections {
		if _, err := c.Write(ownBlock(data, connection, connections, index/connections).At(index)); err != nil {
			return err
		}
	}
	var answer [1]byte
	_, err = io.ReadFull(c, answer[:])
	return err
}

// serviceCase sends blocks to the service, which syncs each before it answers.
func serviceCase(ctx context.Context, t task) (s *measure.Sample, err error) {
	service, store, err := startService(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, service.Stop()) }()
	data, err := randomBlocks()
	if err != nil {
		return nil, err
	}
	blocks := int(t.Case.Bytes / uploadBlock)
	uri, err := openSession(ctx, store, blocks)
	if err != nil {
		return nil, err
	}
	s, err = measure.Section(func() error { return stageAll(ctx, uri, t.Case.Workers, blocks, data) })
	if err != nil {
		return nil, err
	}
	s.Bytes = int64(blocks) * int64(data[0].Size())
	return s, nil
}

// diskCase writes the same bytes to one file in order: synced every block,
// which is the sample's time, and once at the end.
func diskCase(_ context.Context, t task) (*measure.Sample, error) {
	data, err := randomBlocks()
	if err != nil {
		return nil, err
	}
	blocks := int(t.Case.Bytes / uploadBlock)
	s, err := measure.Section(func() error { return writeSynced(t.Work, blocks, 1, data) })
	if err != nil {
		return nil, err
	}
	s.Bytes = int64(blocks) * int64(data[0].Size())
	began := time.Now()
	err = writeSynced(t.Work, blocks, blocks, data)
	s.Parts = map[string]float64{"oneSyncSeconds": time.Since(began).Seconds()}
	return s, err
}

// writeSynced writes blocks and syncs once for every perSync of them, and leaves
// nothing behind.
func writeSynced(dir string, blocks, perSync int, data []*operator.Block) (err error) {
	out, err := os.Create(filepath.Join(dir, "disk"))
	if err != nil {
		return err
	}
	for i := range blocks {
		if _, err = out.Write(data[i%len(data)].At(i)); err != nil {
			break
		}
		if (i+1)%perSync == 0 || i+1 == blocks {
			if err = out.Sync(); err != nil {
				break
			}
		}
	}
	return errors.Join(err, out.Close())
}
