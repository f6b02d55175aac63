package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"exactmatch.dev/operator/hack/measure/operator"
)

func mustBlocks(t *testing.T) []*operator.Block {
	t.Helper()
	blocks, err := randomBlocks()
	if err != nil {
		t.Fatal(err)
	}
	if size := blocks[0].Size(); size > uploadBlock || size < uploadBlock-10_000 {
		t.Errorf("a block has %d bytes", size)
	}
	return blocks
}

func TestTheSinkTakesWhatTheOperatorSends(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(takeBlock))
	defer server.Close()
	data := mustBlocks(t)
	if err := stageAll(t.Context(), server.URL+"/upload", 2, 5, data); err != nil {
		t.Error(err)
	}
}

func TestTheSinkChecksSums(t *testing.T) {
	for sum, want := range map[string]int{"AAAAAAAAAAA=": http.StatusBadRequest, "": http.StatusBadRequest} {
		r := httptest.NewRequest(http.MethodPut, "/upload", strings.NewReader("bytes"))
		r.Header.Set("x-ms-content-crc64", sum)
		w := httptest.NewRecorder()
		takeBlock(w, r)
		if w.Code != want {
			t.Errorf("the sum %q is answered %d", sum, w.Code)
		}
	}
}

func TestRawBytesArriveOverAnyNumberOfConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go acceptRaw(l)
	data := mustBlocks(t)
	for connections := 1; connections <= 3; connections++ {
		for connection := range connections {
			if err := sendRaw(t.Context(), l.Addr().String(), connection, connections, 2, data); err != nil {
				t.Errorf("connection %d of %d: %v", connection, connections, err)
			}
		}
	}
}

// Connections never share a block, and use all of them.
func TestConnectionsHaveTheirOwnBlocks(t *testing.T) {
	data := mustBlocks(t)
	for connections := 1; connections <= len(data); connections++ {
		of := map[*operator.Block]int{}
		for connection := range connections {
			for turn := range 10 {
				b := ownBlock(data, connection, connections, turn)
				if other, taken := of[b]; taken && other != connection {
					t.Errorf("of %d connections %d and %d share a block", connections, other, connection)
				}
				of[b] = connection
			}
		}
		if len(of) != len(data) {
			t.Errorf("%d connections use %d blocks", connections, len(of))
		}
	}
}

func TestTheDiskCaseCountsItsBytes(t *testing.T) {
	dir := t.TempDir()
	s, err := diskCase(t.Context(), task{Case: benchCase{Kind: kindDisk, Bytes: 3 * uploadBlock}, Work: dir})
	want := 3 * int64(mustBlocks(t)[0].Size())
	if err != nil || s.Bytes != want || s.Parts["oneSyncSeconds"] <= 0 {
		t.Errorf("%+v, %v", s, err)
	}
	info, err := os.Stat(dir + "/disk")
	if err != nil || info.Size() != want {
		t.Errorf("%v, %v", info, err)
	}
}

func TestFlags(t *testing.T) {
	o, err := parse(nil)
	if err != nil || o.Rounds != 15 || o.BigRounds != 5 || len(o.Rows) != 3 || o.Base != 1_000_000 {
		t.Errorf("%+v, %v", o.settings, err)
	}
	o, err = parse([]string{"-quick", "-rounds", "2", "-out", "elsewhere", "-only", "a|b"})
	if err != nil || o.Rounds != 2 || o.Base != 100_000 || strings.Join(o.args, " ") != "-only='a|b' -quick=true -rounds=2" {
		t.Errorf("%+v, %v, %v", o.settings, o.args, err)
	}
	for _, wrong := range [][]string{{"-rows", "ten"}, {"-rows", "0"}, {"-rounds", "0"}, {"-only", "("}, {"more"}} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}
