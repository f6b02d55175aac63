package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"exactmatch.dev/operator/hack/measure"
	"exactmatch.dev/operator/hack/measure/operator"
	"exactmatch.dev/operator/internal/dial"
	"exactmatch.dev/operator/internal/executor/protocol"
	"exactmatch.dev/operator/internal/pipeline"
	"exactmatch.dev/operator/internal/upload"
)

// podsCase stages a table with as many workers as pods would run: processes of the
// operator's binary over one folder each, on the cores of this machine, into the
// service as a process of its own. What is measured begins with the first worker
// and ends with the last; the reading before it and the seal after it are not in it.
func podsCase(ctx context.Context, t task) (s *measure.Sample, err error) {
	service, store, err := startService(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, service.Stop()) }()
	from, err := openTable(ctx, t)
	if err != nil {
		return nil, err
	}
	run := &podsRun{task: t, plan: t.Case.Table.plan(from), dir: filepath.Join(t.Work, "worker"), parts: map[string]float64{}}
	if err := run.prepare(ctx); err != nil {
		return nil, err
	}
	prepared := run.prepared
	session, err := store.Open(ctx, operator.Blocks{RowsPerBlock: run.plan.RowsPerBlock, Count: prepared.Blocks, KeyID: prepared.KeyID, ContentKey: prepared.ContentKey})
	if err != nil {
		return nil, err
	}
	before, err := service.Usage()
	if err != nil {
		return nil, err
	}
	if s, err = run.stage(ctx, session.DataUploadURI); err != nil {
		return nil, fmt.Errorf("%w; the service says: %s", err, service.LastWords())
	}
	after, err := service.Usage()
	if err != nil {
		return nil, err
	}
	run.parts[measure.PartServiceCPU] = (after.CPU - before.CPU).Seconds()
	s.Rows, s.Bytes, s.Parts = int(prepared.Rows), prepared.Bytes, run.parts
	uri := func() string { return session.DataUploadURI }
	// It fails where the service has not got every block.
	return s, upload.Seal(ctx, prepared, upload.Target{HTTP: operator.Guard.HTTPClient(), URI: uri, Parallelism: 1})
}

// What Jobs tell their pods by default. It stands here once more because package jobs
// links a Kubernetes client, which the memory of every case would include; a test
// holds both together.
const podMemory = 256 << 20

func podsOf(parallelism, stripes int) int { return max(1, min(parallelism, stripes)) }

func perPod(parallelism, pods int) int {
	if pods == 1 {
		return parallelism
	}
	return 2
}

// podsRun is one table on its way through workers.
type podsRun struct {
	task     task
	plan     pipeline.Plan
	dir      string
	told     protocol.Task
	prepared *pipeline.Prepared
	parts    map[string]float64
}

// prepare reads the table as the one-pod Job does.
func (r *podsRun) prepare(ctx context.Context) error {
	r.told = protocol.Task{
		Store: r.plan.Store, RowsPerBlock: r.plan.RowsPerBlock, BadRows: r.plan.BadRows,
		Source: protocol.Source{File: "table.csv"}, Allow: protocol.Allow{Hosts: []string{"127.0.0.1"}, Policy: protocol.Policy(dial.Anything)},
	}
	r.told.Columns = append(r.told.Columns, r.plan.Columns...)
	r.told.Memory = podMemory
	for name, text := range map[string]string{protocol.KeyDir + "/" + protocol.KeyFile: string(r.plan.Key), protocol.SourceDir + "/empty": "", protocol.TaskDir + "/empty": ""} {
		path := filepath.Join(r.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return err
		}
	}
	if err := os.Link(r.task.Table, filepath.Join(r.dir, protocol.SourceDir, r.told.Source.File)); err != nil {
		return err
	}
	if err := r.writeOrder(""); err != nil {
		return err
	}
	began := time.Now()
	report, _, err := r.run(ctx, "prepare")
	if err != nil {
		return err
	}
	r.parts[measure.PartPrepare] = time.Since(began).Seconds()
	r.told.Prepared = report.Prepared
	r.prepared, err = r.plan.Unpack(report.Prepared)
	return err
}

func (r *podsRun) writeOrder(uri string) error {
	text, err := json.Marshal(r.told)
	if err != nil {
		return err
	}
	folder := filepath.Join(r.dir, protocol.TaskDir)
	return errors.Join(os.WriteFile(filepath.Join(folder, protocol.TaskFile), text, 0o600), os.WriteFile(filepath.Join(folder, protocol.URIFile), []byte(uri), 0o600))
}

// stage runs the workers beside each other.
func (r *podsRun) stage(ctx context.Context, uri string) (*measure.Sample, error) {
	r.told.Pods = podsOf(r.task.Case.Workers, len(r.prepared.Stripes))
	r.told.Parallelism = perPod(r.task.Case.Workers, r.told.Pods)
	if err := r.writeOrder(uri); err != nil {
		return nil, err
	}
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		failed error
		sent   int
		s      = &measure.Sample{}
	)
	began := time.Now()
	for index := range r.told.Pods {
		all.Go(func() {
			report, took, err := r.run(ctx, "stage", "--index", strconv.Itoa(index))
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if err == nil && report.Staged != nil {
				sent += report.Staged.Sent
			}
			s.CPU += took.cpu
			s.PeakMemory += took.peak
		})
	}
	all.Wait()
	s.Wall = time.Since(began)
	if failed == nil && sent != r.prepared.Blocks {
		failed = fmt.Errorf("the workers sent %d of %d blocks", sent, r.prepared.Blocks)
	}
	return s, failed
}

// workerUsage is what one worker took.
type workerUsage struct {
	cpu  time.Duration
	peak int64 // bytes, as last seen while it ran
}

// run is one worker as a process.
func (r *podsRun) run(ctx context.Context, args ...string) (report protocol.Report, took workerUsage, err error) {
	file, err := os.CreateTemp(r.task.Work, "report-")
	if err != nil {
		return report, took, err
	}
	if err := file.Close(); err != nil {
		return report, took, err
	}
	cmd := exec.CommandContext(ctx, r.task.Service, append([]string{"worker", "--dir", r.dir, "--report", file.Name()}, args...)...) //nolint:gosec // our own binary
	cmd.SysProcAttr = measure.DiesWithUs()
	if err := cmd.Start(); err != nil {
		return report, took, err
	}
	ended := make(chan struct{})
	seen := make(chan int64, 1)
	go func() { seen <- watchPeak(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	close(ended)
	took = workerUsage{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), <-seen}
	text, readErr := os.ReadFile(file.Name())
	if err = errors.Join(err, readErr); err != nil {
		return report, took, fmt.Errorf("exactmatch worker %v: %w: %s", args, err, text)
	}
	report, ok := protocol.ParseReport(string(text))
	if !ok {
		return report, took, fmt.Errorf("exactmatch worker %v reports %q", args, text)
	}
	return report, took, nil
}

// watchPeak looks at a process until it has ended.
func watchPeak(pid int, ended <-chan struct{}) (peak int64) {
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		if now, err := measure.PeakMemory(pid); err == nil {
			peak = max(peak, now)
		}
		select {
		case <-every.C:
		case <-ended:
			return peak
		}
	}
}
