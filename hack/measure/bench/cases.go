package main

import (
	"fmt"
	"slices"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
)

// The kinds of work that a case can be.
const (
	kindPlain    = "plain"
	kindOurs     = "ours"
	kindFloor    = "floor"
	kindPrepare  = "prepare"
	kindSHA256   = "sha256"
	kindDuckDB   = "duckdb"
	kindPython   = "python"
	kindEndToEnd = measure.KindEndToEnd
	kindPods     = measure.KindPods // blocks to the durable service, by workers as processes
	kindHTTP     = "http"           // blocks to a verifying sink
	kindTCP      = "tcp"            // the same bytes over plain sockets
	kindService  = "service"        // blocks to the durable service
	kindDisk     = "disk"           // the same bytes to a file
	kindIndex    = "index"          // blocks to a table
	kindPebble   = "pebble"         // as many tokens
	kindSQLite   = "sqlite"
	kindMatch    = "match" // questions to the durable service
	kindRedis    = "redis"
	kindProbe    = "probe" // which path the process takes
)

// The paths of the code, forced by the environment.
const (
	pathPortable = "portable"
	pathSHANI    = "shani"
	pathAVX512   = "avx512"
)

var allPaths = []string{pathPortable, pathSHANI, pathAVX512}

// Where the table and the blocks lie.
const (
	inMemory = "memory"
	inFile   = "file"
)

// benchCase is one thing to measure. Its ID names it within the run.
type benchCase struct {
	ID    string    `json:"id"`
	Kind  string    `json:"kind"`
	Table tableSpec `json:"table"`
	Path  string    `json:"path,omitempty"` // "" leaves the choice to the machine
	Where string    `json:"where,omitempty"`
	// Workers are cores of a pipeline, connections of an upload, processes of kindPods, or
	// the questions of a call.
	Workers int   `json:"workers"`
	Bytes   int64 `json:"bytes,omitempty"` // of an upload
	Rows    int   `json:"rows,omitempty"`  // of an indexing, which has no table in a file
	Rounds  int   `json:"rounds"`
}

// size is what its kind varies.
func (c benchCase) size() int {
	switch c.Kind {
	case kindIndex, kindPebble, kindSQLite:
		return c.Rows
	case kindMatch, kindRedis:
		return c.Workers
	}
	if c.Table.Rows == 0 || c.Kind == kindPods {
		return c.Workers
	}
	return c.Table.Rows
}

// idOf names a case of a table.
func idOf(t tableSpec, kind, path, where string, workers int) string {
	id := t.String() + "/" + kind
	for _, part := range []string{path, where} {
		if part != "" {
			id += "-" + part
		}
	}
	return fmt.Sprintf("%s-%d", id, workers)
}

// uploadID names a case of a transfer.
func uploadID(kind string, connections int) string {
	return fmt.Sprintf("upload/%s-%d", kind, connections)
}

// matrix makes the cases of a run.
type matrix struct {
	settings settings
	paths    []string
	peers    peers
	cases    []benchCase
}

// settings are what decides the cases.
type settings struct {
	Rounds    int    `json:"rounds"`
	BigRounds int    `json:"bigRounds"` // of tables over bigRows
	Rows      []int  `json:"rows"`
	Base      int    `json:"base"`
	E2ERows   []int  `json:"endToEndRows"`
	PodRows   int    `json:"podRows,omitempty"` // 0 leaves the cases out
	Upload    int64  `json:"uploadBytes"`
	Durable   int64  `json:"durableBytes"`
	Seed      uint64 `json:"seed"`
	// IndexPeers measures other stores of keys beside the index.
	IndexPeers bool `json:"indexPeers,omitempty"`
}

// bigRows is where a round takes so long that fewer are done.
const bigRows = 2_000_000

// mostPeerRows is the longest table for peers that take many times as long.
const mostPeerRows = 1_000_000

func (m *matrix) add(c benchCase) {
	if c.Rounds == 0 {
		c.Rounds = m.settings.Rounds
	}
	if c.Table.Rows > bigRows {
		c.Rounds = min(c.Rounds, m.settings.BigRounds)
	}
	if slices.ContainsFunc(m.cases, func(known benchCase) bool { return known.ID == c.ID }) {
		return
	}
	m.cases = append(m.cases, c)
}

func (m *matrix) table(t tableSpec, kind, path, where string, workers int) {
	m.add(benchCase{ID: idOf(t, kind, path, where, workers), Kind: kind, Table: t, Path: path, Where: where, Workers: workers})
}

// pipelines adds the yardstick and every path of ours, each on one core.
func (m *matrix) pipelines(t tableSpec, wheres ...string) {
	for _, where := range wheres {
		m.table(t, kindPlain, "", where, 1)
		for _, path := range m.paths {
			m.table(t, kindOurs, path, where, 1)
		}
	}
}

// floors adds the hashes alone.
func (m *matrix) floors(t tableSpec) {
	for _, path := range m.paths {
		m.table(t, kindFloor, path, inMemory, 1)
	}
}

// peersOf adds DuckDB and Python, and what they are compared with.
func (m *matrix) peersOf(t tableSpec) {
	if t.Rows > mostPeerRows {
		return
	}
	if m.peers.Python != "" {
		m.table(t, kindPython, "", inFile, 1)
	}
	if m.peers.DuckDB == "" {
		return
	}
	for _, threads := range []int{1, 2} {
		m.table(t, kindDuckDB, "", inFile, threads)
	}
}

// build makes all cases: one thing is varied at a time from the base case.
func (m *matrix) build() []benchCase {
	base := m.base()
	m.pipelines(base, inMemory, inFile)
	m.floors(base)
	m.peersOf(base)
	for _, path := range m.paths {
		m.table(base, kindOurs, path, inFile, 2)
		m.table(base, kindPrepare, path, inMemory, 1)
	}
	m.table(base, kindSHA256, "", inMemory, 1)
	for _, t := range m.variations() {
		m.pipelines(t, inMemory)
	}
	m.floors(m.variation(shapeASCII))
	for _, rows := range m.settings.Rows {
		t := base
		t.Rows = rows
		m.pipelines(t, inMemory, inFile)
		m.peersOf(t)
	}
	for _, rows := range m.settings.E2ERows {
		t := base
		t.Rows = rows
		m.table(t, kindEndToEnd, "", inFile, durableConnections)
	}
	m.pods(base)
	m.uploads()
	m.indexing()
	m.matches(base)
	return m.cases
}

// podCounts are the pods of the agents whose overhead is shown.
var podCounts = []int{1, 2, 4, 8}

// pods adds an upload by workers.
func (m *matrix) pods(t tableSpec) {
	if t.Rows = m.settings.PodRows; t.Rows == 0 {
		return
	}
	for _, n := range podCounts {
		m.table(t, kindPods, "", inFile, n)
	}
}

// base is the case that the others vary.
func (m *matrix) base() tableSpec {
	return tableSpec{Shape: shapeMixed, Rows: m.settings.Base, Fields: len(fiveOfEight)}
}

// variation is the base case with another shape. Wide and long tables have a
// quarter of the rows, so that they are no larger than what a run can hold.
func (m *matrix) variation(shape string) tableSpec {
	t := m.base()
	t.Shape = shape
	switch shape {
	case shapeWide:
		t.Fields, t.Rows = 32, t.Rows/4
	case shapeLong:
		t.Rows /= 4
	}
	return t
}

func (m *matrix) variations() []tableSpec {
	all := m.base()
	all.Fields = len(patientColumns)
	return []tableSpec{
		m.variation(shapeASCII), all, m.variation(shapeWide), m.variation(shapeShort), m.variation(shapeLong), m.variation(shapeFew),
	}
}

// uploadConnections are those of the uploads into the sink.
var uploadConnections = []int{1, 2, 4}

// durableConnections is the default of an upload agent's workers.
const durableConnections = operator.UploadParallelism

func (m *matrix) uploads() {
	for _, n := range uploadConnections {
		for _, kind := range []string{kindHTTP, kindTCP} {
			m.add(benchCase{ID: uploadID(kind, n), Kind: kind, Workers: n, Bytes: m.settings.Upload})
		}
	}
	m.add(benchCase{ID: uploadID(kindService, durableConnections), Kind: kindService, Workers: durableConnections, Bytes: m.settings.Durable})
	m.add(benchCase{ID: uploadID(kindDisk, 1), Kind: kindDisk, Workers: 1, Bytes: m.settings.Durable})
}

// tablesOf are the tables that cases read.
func tablesOf(cases []benchCase) []tableSpec {
	var tables []tableSpec
	for _, c := range cases {
		if c.Table.Rows > 0 {
			tables = append(tables, c.Table)
		}
	}
	return tables
}

// matches adds questions to the service, and to Redis.
func (m *matrix) matches(t tableSpec) {
	for _, batch := range matchBatches {
		m.add(benchCase{ID: matchID(kindMatch, batch), Kind: kindMatch, Table: t, Where: inFile, Workers: batch})
		if m.peers.Redis != "" {
			m.add(benchCase{ID: matchID(kindRedis, batch), Kind: kindRedis, Table: t, Where: inFile, Workers: batch})
		}
	}
}

// peers are the programs that others would take. The folder of one that is not
// there is "".
type peers struct {
	DuckDB, Python                         string
	Redis, Stores                          string // Stores has Pebble and SQLite in it
	DuckDBVersion, PyVersion, RedisVersion string
}

// wantedPeers are all, before it is known which are there.
var wantedPeers = peers{DuckDB: "wanted", Python: "wanted", Redis: "wanted", Stores: "wanted"}
