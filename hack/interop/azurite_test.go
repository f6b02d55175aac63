package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/progress"
	"exactmatch.dev/operator/internal/testkit"
	"exactmatch.dev/operator/internal/testkit/sink"
	"exactmatch.dev/operator/internal/testkit/tables"
	"exactmatch.dev/operator/internal/upload"
)

// azuriteCommand is the environment variable that names azurite-blob; make interop sets it.
const azuriteCommand = "INTEROP_AZURITE"

// azuriteKey is of the one account that Azurite gets here.
var azuriteKey = base64.StdEncoding.EncodeToString([]byte("a key of an account for these tests"))

const azuriteAccount = "interop"

// azuriteServer is an Azurite of its own on loopback, with a container.
type azuriteServer struct {
	*testing.T
	url        string // of the container
	credential *azblob.SharedKeyCredential
}

// newAzurite starts Azurite for as long as the test goes.
func newAzurite(t *testing.T) *azuriteServer {
	t.Helper()
	command := os.Getenv(azuriteCommand)
	if command == "" {
		t.Fatalf("%s does not name azurite-blob: run make interop", azuriteCommand)
	}
	port := freePort(t)
	var log bytes.Buffer
	run := exec.CommandContext(t.Context(), command, "--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent")
	run.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+azuriteAccount+":"+azuriteKey)
	run.Dir, run.Stdout, run.Stderr = t.TempDir(), &log, &log
	testkit.Must(t, run.Start())
	t.Cleanup(func() {
		_ = run.Process.Kill() // its error says that it was killed
		_ = run.Wait()
		if t.Failed() {
			t.Logf("Azurite: %s", log.String())
		}
	})
	credential, err := azblob.NewSharedKeyCredential(azuriteAccount, azuriteKey)
	testkit.Must(t, err)
	a := &azuriteServer{t, "http://127.0.0.1:" + port + "/" + azuriteAccount + "/uploads", credential}
	a.await(port)
	c, err := azblob.NewClientWithSharedKeyCredential("http://127.0.0.1:"+port+"/"+azuriteAccount, credential, nil)
	testkit.Must(t, err)
	_, err = c.CreateContainer(t.Context(), "uploads", nil)
	testkit.Must(t, err)
	return a
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer func() { testkit.Must(t, l.Close()) }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// await waits until Azurite listens: node takes seconds to load it.
func (a *azuriteServer) await(port string) {
	a.Helper()
	ctx, stop := context.WithTimeout(a.Context(), time.Minute)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			testkit.Must(a, c.Close())
			return
		}
		select {
		case <-ctx.Done():
			a.Fatal("Azurite does not listen after a minute")
		case <-tick.C:
		}
	}
}

// uri signs an upload URI of a blob, with the permissions that ours have.
func (a *azuriteServer) uri(blob string) string {
	a.Helper()
	signed, err := sas.BlobSignatureValues{
		Protocol: sas.ProtocolHTTPSandHTTP, ExpiryTime: time.Now().Add(time.Hour).UTC(), ContainerName: "uploads", BlobName: blob,
		Permissions: (&sas.BlobPermissions{Read: true, Create: true, Write: true}).String(),
	}.SignWithSharedKey(a.credential)
	testkit.Must(a, err)
	return a.url + "/" + blob + "?" + signed.Encode()
}

// counting counts the blocks that are taken. Azurite refuses the first for their CRC64,
// which it does not have; then they are sent without.
type counting struct{ taken *atomic.Int32 }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && sink.IsBlock(r) && answer.StatusCode == http.StatusCreated {
		c.taken.Add(1)
	}
	return answer, err
}

// target is where our upload sends the blocks of a blob.
func target(uri string, taken *atomic.Int32) upload.Target {
	return upload.Target{HTTP: &http.Client{Transport: counting{taken}}, URI: func() string { return uri }, Parallelism: 4}
}

// holds wants a blob of exactly these blocks, in order.
func (a *azuriteServer) holds(uri string, blocks [][]byte) {
	a.Helper()
	c := newAzure(a.T, uri)
	list, err := c.GetBlockList(a.Context(), blockblob.BlockListTypeAll, nil)
	testkit.Must(a, err)
	var ids []string
	for i, data := range blocks {
		ids = append(ids, block.ID(i, block.Sum(data)))
	}
	if !slices.Equal(namesOf(list.CommittedBlocks), ids) || len(list.UncommittedBlocks) > 0 {
		a.Fatalf("%d blocks are committed of %d, %d uncommitted", len(list.CommittedBlocks), len(ids), len(list.UncommittedBlocks))
	}
	got, err := c.DownloadStream(a.Context(), nil)
	testkit.Must(a, err)
	text, err := io.ReadAll(got.Body)
	testkit.Must(a, errors.Join(err, got.Body.Close()))
	if !bytes.Equal(text, slices.Concat(blocks...)) {
		a.Fatalf("the blob has %d bytes, which are not those of the blocks", len(text))
	}
}

// TestAzurite sends our uploads to another implementation of Azure Block Blob.
func TestAzurite(t *testing.T) {
	a := newAzurite(t)
	plan := tables.Plan(tables.CSV(10_000), 100)
	p := tables.Prepare(t, plan)
	blocks := blocksOf(t, plan, p)

	t.Run("an upload is staged and sealed", func(t *testing.T) {
		a.T = t
		var taken atomic.Int32
		var last atomic.Pointer[progress.Blocks]
		uri, o := a.uri("whole"), sink.Options()
		o.Progress = func(now progress.Blocks) { last.Store(&now) }
		began := time.Now()
		testkit.Must(t, upload.Run(t.Context(), plan, p, target(uri, &taken), o))
		took := time.Since(began)
		a.holds(uri, blocks)
		first := taken.Load()
		if int(first) != len(blocks) {
			t.Errorf("%d blocks were taken of %d", first, len(blocks))
		}
		testkit.Must(t, upload.Run(t.Context(), plan, p, target(uri, &taken), sink.Options())) // lists what is committed
		a.holds(uri, blocks)
		if taken.Load() != first {
			t.Errorf("%d blocks were sent again", taken.Load()-first)
		}
		t.Logf("%d blocks, %d bytes in %s; %d taken, checksums refused: %t", len(blocks), len(slices.Concat(blocks...)), took.Round(time.Millisecond), first, last.Load().Checked.HeaderRefused)
	})

	t.Run("an upload that was interrupted is resumed", func(t *testing.T) {
		a.T = t
		var taken atomic.Int32
		uri, o := a.uri("resumed"), sink.Options()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		o.Progress = func(now progress.Blocks) {
			if now.Done == 30 {
				stop()
			}
		}
		if err := upload.Run(ctx, plan, p, target(uri, &taken), o); !errors.Is(err, context.Canceled) {
			t.Fatalf("an upload that is interrupted ends with %v", err)
		}
		there := a.staged(uri)
		if there < 30 || there == len(blocks) {
			t.Fatalf("%d blocks are there", there)
		}
		taken.Store(0)
		testkit.Must(t, upload.Run(t.Context(), plan, p, target(uri, &taken), sink.Options()))
		a.holds(uri, blocks)
		if again := int(taken.Load()); again > len(blocks)-there {
			t.Errorf("%d blocks were there and %d were taken, of %d", there, again, len(blocks))
		}
		t.Logf("%d of %d blocks were there, %d were taken", there, len(blocks), taken.Load())
	})

	t.Run("stripes are staged by two and sealed by a third", func(t *testing.T) {
		a.T = t
		var taken atomic.Int32
		uri := a.uri("shared")
		half := len(p.Stripes) / 2
		testkit.Must(t, upload.Stage(t.Context(), plan, p, p.Stripes[half:], target(uri, &taken), sink.Options()))
		if half > 0 {
			if err := upload.Seal(t.Context(), p, target(uri, &taken)); !errors.Is(err, upload.ErrBlocksMissing) {
				t.Fatalf("a seal without the first half: %v", err)
			}
			testkit.Must(t, upload.Stage(t.Context(), plan, p, p.Stripes[:half], target(uri, &taken), sink.Options()))
		}
		testkit.Must(t, upload.Seal(t.Context(), p, target(uri, &taken)))
		a.holds(uri, blocks)
		t.Logf("%d stripes, %d blocks taken", len(p.Stripes), taken.Load())
	})
}

// staged counts the blocks that are there and not committed.
func (a *azuriteServer) staged(uri string) int {
	a.Helper()
	list, err := newAzure(a.T, uri).GetBlockList(a.Context(), blockblob.BlockListTypeAll, nil)
	testkit.Must(a, err)
	return len(list.UncommittedBlocks)
}
